"""Things named as `module:attribute`, loaded when they are needed."""

from __future__ import annotations

from importlib import import_module
from operator import attrgetter
from typing import Any


def resolve(reference: str) -> Any:
    """What `module:attribute` names; loads the module. An attribute may have dots."""
    module, _, attribute = reference.partition(":")
    return attrgetter(attribute)(import_module(module))
