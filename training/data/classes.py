"""The classes that a run learns, which stay the same when it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.errors import InvalidRequest

_NAMED = 10


def check_classes(state: Mapping[str, Any], count: int, classes: Sequence[str], run: str) -> None:
    """state: of a checkpoint; one of before classes were kept does not name them, and has `count` of them.
    run: its name.

    Raises InvalidRequest where the data have other classes, or the same number under other names.
    """
    known = state.get("classes")
    if len(classes) == count and (known is None or list(known) == list(classes)):
        return
    learned = f"{count} classes" if known is None else f"the classes {_listed(known)}"
    raise InvalidRequest(
        f"The run {run!r} learns {learned}; the data have {_listed(classes)}"
        f"{_difference(known or (), classes)}.",
        field="/data",
        hint=f"Give the data of before, or start another run with its weights: --from {run} and another "
        "--name.",
    )


def _difference(known: Sequence[str], classes: Sequence[str]) -> str:
    gone = [name for name in known if name not in classes]
    new = [name for name in classes if name not in known]
    parts = [f"without {_listed(gone)}"] if gone else []
    parts += [f"with {_listed(new)} besides"] if new else []
    return f" ({', '.join(parts)})" if parts and len(known) > _NAMED else ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
