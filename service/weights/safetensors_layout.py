"""The safetensors layout: eight bytes of header length, a JSON header, then the tensors without gaps.

Written and read here, not by the library, because an answer is streamed tensor by tensor and a file from
outside is checked against limits before anything of its size is made. The tests read what is written here
with the library.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeGuard

from service.errors import InvalidInput
from service.weights.blocks import DTYPES

DTYPE_CODES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
DTYPE_NAMES = {code: name for name, code in DTYPE_CODES.items()}
MAX_HEADER_BYTES = 100_000_000  # the format's own bound
METADATA_KEY = "__metadata__"
HEADER_ALIGNMENT_BYTES = 8


@dataclass(frozen=True, slots=True)
class TensorEntry:
    name: str
    dtype: str
    shape: tuple[int, ...]
    size_bytes: int


def header_bytes(entries: Sequence[TensorEntry], metadata: Mapping[str, str]) -> bytes:
    """The file up to the first tensor. Tensors follow in the order of `entries`.

    Raises InvalidInput for a name that the format keeps for itself.
    """
    header: dict[str, Mapping[str, object]] = {METADATA_KEY: dict(metadata)}
    position = 0
    for entry in entries:
        if entry.name == METADATA_KEY:
            raise InvalidInput(
                f"A parameter is named {METADATA_KEY!r}, which safetensors files keep for themselves.",
                hint="Rename the parameter, or ask for the npz output.",
            )
        header[entry.name] = {
            "dtype": DTYPE_CODES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [position, position + entry.size_bytes],
        }
        position += entry.size_bytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % HEADER_ALIGNMENT_BYTES)
    return struct.pack("<Q", len(text)) + text


@dataclass(frozen=True, slots=True)
class Contents:
    """tensors: name -> (dtype, shape, its bytes). metadata: text to text."""

    tensors: Mapping[str, tuple[str, tuple[int, ...], memoryview]]
    metadata: Mapping[str, str]


def read_contents(data: bytes | memoryview) -> Contents:
    """Take a file apart; the tensors' bytes are parts of `data`, nothing is copied.

    Raises InvalidInput for anything that is not a well-formed file of the number formats in DTYPES.
    """
    view = memoryview(data)
    if view.nbytes < 8:
        raise InvalidInput("The file is too short for a safetensors file.")
    (length,) = struct.unpack("<Q", view[:8])
    if length > min(MAX_HEADER_BYTES, view.nbytes - 8):
        raise InvalidInput(
            "The file is truncated, or no safetensors file: its header is longer than the file."
        )
    try:
        header = json.loads(bytes(view[8 : 8 + length]))
    except (ValueError, RecursionError):
        raise InvalidInput("The header of the safetensors file is not JSON.") from None
    if not isinstance(header, dict):
        raise InvalidInput("The header of the safetensors file is not a JSON object.")
    metadata = header.pop(METADATA_KEY, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise InvalidInput("The metadata of the safetensors file are not a JSON object of strings.")
    body = view[8 + length :]
    return Contents({name: _tensor(name, entry, body) for name, entry in header.items()}, metadata)


def _tensor(name: str, entry: Any, body: memoryview) -> tuple[str, tuple[int, ...], memoryview]:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise InvalidInput(f"The header entry of tensor {name!r} needs dtype, shape and data_offsets.")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in DTYPE_NAMES:
        raise InvalidInput(f"Tensor {name!r} has a dtype other than {', '.join(DTYPE_NAMES)}.")
    if not is_natural_list(shape) or not is_natural_list(offsets) or len(offsets) != 2:
        raise InvalidInput(f"The shape or the offsets of tensor {name!r} are not lists of whole numbers.")
    start, end = offsets
    dtype = DTYPE_NAMES[code]
    if not start <= end <= body.nbytes or end - start != prod(shape) * DTYPES[dtype].itemsize:
        raise InvalidInput(f"The offsets of tensor {name!r} do not fit its shape {shape} or the file.")
    return dtype, tuple(shape), body[start:end]


def is_natural_list(value: Any) -> TypeGuard[list[int]]:
    """Whether a JSON value is a list of whole numbers from 0 (true and false are none)."""
    if not isinstance(value, list):
        return False
    for item in value:  # a file has hundreds of these lists: no generator for each
        if type(item) is not int or item < 0:
            return False
    return True
