"""A network in the user's own code: package.module:MyNet, or path/to/file.py:MyNet."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.errors import InvalidInput
from service.graph_io.short_texts import short_text

if TYPE_CHECKING:
    from torch import nn

_REFERENCE = re.compile(r"(?P<module>[A-Za-z_][\w.]*|[^:]+\.py):(?P<name>[A-Za-z_]\w*)(\(\))?")


def names_module(text: str) -> bool:
    """Whether a SOURCE means a network in code. Imports nothing."""
    return short_text(text) is None and _REFERENCE.fullmatch(text) is not None


def name_of(text: str) -> str:
    match = _REFERENCE.fullmatch(text)
    assert match is not None
    return match["name"]


def load_module(text: str) -> nn.Module:
    """Import the code and build the network: a class or function is called without arguments.

    The working folder is searched first, as `python -m` does. Runs the user's code.

    Raises InvalidInput where nothing of that name is found, or it is not a torch module.
    """
    match = _REFERENCE.fullmatch(text)
    assert match is not None
    import torch

    value = getattr(_code(match["module"]), match["name"], None)
    if value is None:
        raise InvalidInput(f"{match['module']} has no {match['name']!r}.", source=text)
    if not isinstance(value, torch.nn.Module):
        value = _called(value, text)
    if not isinstance(value, torch.nn.Module):
        raise InvalidInput(
            f"{text} is not a torch.nn.Module, but a {type(value).__name__}.",
            source=text,
            hint="Name a module, or a class or function that makes one.",
        )
    return value


def _code(name: str) -> Any:
    if not name.endswith(".py"):
        sys.path.insert(0, str(Path.cwd()))
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            # One that the user's code lacks is another matter, and its traceback helps.
            if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
                raise
            raise InvalidInput(
                f"There is no Python module {name!r} here.",
                source=name,
                hint="Start the command in the folder that holds it, or install it.",
            ) from None
        finally:
            sys.path.pop(0)
    path = Path(name)
    if not os.path.isfile(path):
        raise InvalidInput(f"There is no file {name!r}.", source=name)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    # Dataclasses and pickles of the code look for their module here.
    sys.modules.setdefault(path.stem, code)
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(code)
    finally:
        sys.path.pop(0)
    return code


def _called(make: Any, text: str) -> Any:
    if not callable(make):
        return make
    try:
        return make()
    except TypeError as error:
        raise InvalidInput(
            f"{text} cannot be called without arguments: {error}.",
            source=text,
            hint="Write a function that returns the network, and name it instead.",
        ) from error
