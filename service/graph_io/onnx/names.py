"""Names as they come out of protobuf: text, or bytes where the file breaks the rules."""

from __future__ import annotations

from service.errors import InvalidArchitecture


def text(name: str | bytes) -> str:
    """The name; protobuf hands out bytes for what is not UTF-8. Raises InvalidArchitecture."""
    if isinstance(name, str):
        return name
    raise InvalidArchitecture(
        f"The name {name[:40]!r} in the ONNX file is not valid UTF-8.",
        node=repr(name[:40]),
        hint="Export the model again.",
    )
