"""Reading the files in which the authors of GHN-2 and GHN-3 publish checkpoints. No code of a file ever runs.

| file | content |
| --- | --- |
| torch, of the trainers | {"config", "state_dict", ...}, GHN-3's with the command's arguments, a namespace |
| torch, of the state dict alone | names and tensors |
| joblib, as on the Hugging Face hub | a plain pickle of names and tensors, sometimes compressed by zlib |
"""

from __future__ import annotations

import argparse
import io
import pickle
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from service.errors import InvalidInput
from service.kit.json_types import JsonObject

_ZIP, _ZLIB, _PICKLE = b"PK\x03\x04", b"\x78", b"\x80"
# torch's files were once pickles that begin with a number of their own.
_OLD_TORCH = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46"


def read_reference(path: Path) -> tuple[JsonObject | None, dict[str, Tensor]]:
    """The configuration, None where the file has none, and the state dict, in the file's own names.

    Raises InvalidInput for a file that is none of these, or that asks for anything beside tensors.
    """
    what = path.name
    try:
        with path.open("rb") as file:
            start = file.read(len(_OLD_TORCH))
        plain = start[:1] in (_ZLIB, _PICKLE) and start != _OLD_TORCH
        document = _read_pickle(path.read_bytes()) if plain else _read_torch(path)
    except Exception as error:  # a damaged pickle may raise anything
        message = (str(error).splitlines() or [type(error).__name__])[0]
        raise InvalidInput(f"{what!r} is not a readable checkpoint: {message}") from error
    config, state = _parts(document, what)
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise InvalidInput(f"{what!r} has an entry {name!r} that is not a tensor.")
    return config, dict(state)


def _parts(document: Any, what: str) -> tuple[JsonObject | None, Mapping[str, Any]]:
    if isinstance(document, Mapping):
        if isinstance(document.get("config"), dict) and isinstance(document.get("state_dict"), Mapping):
            return document["config"], document["state_dict"]
        if "embed.weight" in document:
            return None, document
    raise InvalidInput(
        f"{what!r} is not a reference checkpoint.",
        hint='It must hold a dictionary with "config" and "state_dict", or names and tensors alone.',
    )


def _read_torch(source: Path | io.BytesIO) -> Any:
    # A namespace is a bag of names and values: making one runs nothing.
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(source, map_location="cpu", weights_only=True)


def _read_pickle(data: bytes) -> Any:
    if data[:1] == _ZLIB:
        data = zlib.decompress(data)
    return _TensorUnpickler(io.BytesIO(data)).load()


class _TensorUnpickler(pickle.Unpickler):
    """Knows three names, all that a pickled dictionary of tensors needs."""

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch.storage", "_load_from_bytes"): lambda data: _read_torch(io.BytesIO(data)),
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not loaded")
        return known[module, name]

    def persistent_load(self, identity: Any) -> Any:
        raise pickle.UnpicklingError("it refers to objects outside of it")


def _rebuild_tensor(storage: Any, offset: int, shape: Any, stride: Any, *rest: Any) -> Tensor:
    """A tensor on a storage, whose bounds torch checks. rest: of a trained tensor, which has no use here."""
    if not isinstance(storage, torch.storage.TypedStorage):
        raise pickle.UnpicklingError("a tensor without a storage")
    empty = torch.empty(0, dtype=storage.dtype)
    return empty.set_(storage._untyped_storage, offset, tuple(shape), tuple(stride))
