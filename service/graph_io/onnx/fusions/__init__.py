"""Groups of drafts that are one operation in our table."""

from __future__ import annotations

from service.graph_io.onnx.draft import Draft, alive


def fuse(drafts: list[Draft], outputs: list[Draft]) -> list[Draft]:
    """Replace the groups we know by one draft each; drafts that nothing reads any more are dropped if they own nothing."""
    return drafts
