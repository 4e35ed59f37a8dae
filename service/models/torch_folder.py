"""Reading the folder of a torch model: `config.json` and `weights.safetensors`. Nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from service.errors import InvalidInput
from service.kit.json_types import JsonObject
from service.models.catalog import CONFIG, WEIGHTS

Module = TypeVar("Module", bound=nn.Module)


def read_model_folder(folder: Path, form: str, kind: str) -> tuple[JsonObject, dict[str, Tensor]]:
    """The configuration and the tensors. form: what `format` in the configuration must be. kind: what that
    is, for the error.

    Raises InvalidInput when the folder does not hold them.
    """
    what = folder.name
    try:
        document = json.loads((folder / CONFIG).read_text())
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise InvalidInput(f"{what!r} is not a readable checkpoint: {error}", model=what) from error
    if not isinstance(document, dict) or document.get("format") != form:
        raise InvalidInput(f"{what!r} is not a {kind} of the format {form!r}.", model=what)
    return document, tensors


@contextmanager
def reading_configuration(what: str) -> Iterator[None]:
    """What goes wrong inside is the configuration's fault: InvalidInput."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"The configuration of {what!r} is not valid: {error}", model=what) from error


def filled(module: Module, tensors: Mapping[str, Tensor], what: str, *, assign: bool = False) -> Module:
    """The module with these tensors, in evaluation. assign: take them over instead of copying.

    Raises InvalidInput for tensors that are not just the module's.
    """
    try:
        module.load_state_dict(tensors, strict=True, assign=assign)
    except RuntimeError as error:
        raise InvalidInput(
            f"The weights of {what!r} do not fit its configuration: {error}", model=what
        ) from error
    return module.requires_grad_(False).eval()
