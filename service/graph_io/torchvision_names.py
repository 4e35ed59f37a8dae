"""The names of torchvision's models, from its sources: importing torchvision and torch takes many seconds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from service.errors import InvalidArchitecture

# `@register_model()` or `@register_model(name="...")`, other decorators, and the function with the name.
_REGISTERED = re.compile(
    r'^@register_model\((?:name="(\w+)")?\)\n(?:@.*\n(?:    .*\n|\)\n)*)*'
    r"def (\w+)\(",
    re.MULTILINE,
)


@cache
def installed_names() -> frozenset[str]:
    """Models that the installed torchvision registers; none if it is not installed."""
    spec = find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return frozenset()
    files = (Path(spec.submodule_search_locations[0]) / "models").rglob("*.py")
    texts = (file.read_text(encoding="utf-8") for file in files)
    return frozenset(match[1] or match[2] for text in texts for match in _REGISTERED.finditer(text))


def check_name(name: str) -> None:
    """Raises InvalidArchitecture for a name that the installed torchvision does not have."""
    known = installed_names()
    if known and name not in known:
        raise unknown_name(name, known)


def unknown_name(name: str, known: Iterable[str]) -> InvalidArchitecture:
    """The refusal of a name, with those of `known` that look like it."""
    close = get_close_matches(name, list(known), n=3, cutoff=0.5)
    return InvalidArchitecture(
        f"torchvision has no model named {name[:80]!r}.",
        node=name[:80],
        hint=f"Did you mean {' or '.join(close)}?"
        if close
        else "torchvision.models.list_models() lists the names.",
    )
