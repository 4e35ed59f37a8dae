"""The `tiles` output: every distinct block once, and how the parameters are made from them.

A safetensors file whose tensors are the blocks, named "0", "1", ... Its metadata hold, under the key
"tiles", a JSON object:

    {"version": 1, "model": "ghn2-cifar10", "model_digest": "(its sha256)", "dtype": "float32",
     "parameters": [{"name": "conv.weight", "block": "0", "shape": [64, 3, 3, 3],
                     "provenance": "predicted"}, ...]}

`dtype` is the number format of the answer, `shape` what the block becomes; `scale` (1) and `axes` (null) are
there where they are others. Shape, block and axes are those of `blocks.Block`: in the canonical layout, the
stored layout follows from axes. To expand: multiply the block by the scale in float32, cast it to the dtype,
repeat it along every axis to the shape, put the axes back. `Block.expand` does that, here as in the
safetensors output, hence bit for bit the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from operator import gt
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidInput, LimitExceeded
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits
from service.kit.json_types import JsonObject
from service.weights.blocks import DTYPES, Array, Block, Provenance, WeightBlocks
from service.weights.safetensors_layout import (
    Contents,
    TensorEntry,
    header_bytes,
    is_natural_list,
    read_contents,
)

METADATA_KEY = "tiles"
VERSION = 1
_BEGINNING_BYTES = 256
_PROVENANCES = {str(provenance): provenance for provenance in Provenance}
MAX_SCALE = float(np.finfo(np.float32).max)


class _Entry(TypedDict):
    """A parameter in the index. block: name of the tensor that it repeats, `scale` times."""

    name: str
    block: str
    shape: list[int]
    provenance: str
    scale: NotRequired[float]
    axes: NotRequired[list[int]]


def write_tiles(file: BinaryIO, weights: WeightBlocks, dtype: str) -> None:
    """Write the blocks of an answer, each distinct one once, in the order of their first use."""
    # Blocks that begin alike, by their places in `distinct`: nearly all differ in their first numbers.
    alike: dict[tuple[tuple[int, ...], bytes], list[int]] = {}
    distinct: list[Array] = []
    parameters: list[_Entry] = []
    for name, block in weights.blocks.items():
        values, scale = _transmitted(block, dtype)
        places = alike.setdefault((values.shape, _bytes(values)[:_BEGINNING_BYTES].tobytes()), [])
        same = (place for place in places if np.array_equal(_bytes(distinct[place]), _bytes(values)))
        key = next(same, len(distinct))
        if key == len(distinct):
            places.append(key)
            distinct.append(values)
        entry: _Entry = {
            "name": name, "block": str(key), "shape": list(block.shape), "provenance": str(block.provenance),
        }  # fmt: skip
        if scale != 1.0:
            entry["scale"] = scale
        if block.axes is not None:
            entry["axes"] = list(block.axes)
        parameters.append(entry)
    index = {
        "version": VERSION,
        "model": weights.model,
        "model_digest": weights.model_digest,
        "dtype": dtype,
        "parameters": parameters,
    }
    metadata = {METADATA_KEY: json.dumps(index, separators=(",", ":"), ensure_ascii=False, allow_nan=False)}
    entries = [
        TensorEntry(str(key), dtype, values.shape, values.nbytes) for key, values in enumerate(distinct)
    ]
    file.write(header_bytes(entries, metadata))
    for values in distinct:
        file.write(_bytes(values))


def _bytes(values: Array) -> memoryview:
    """Of a contiguous array."""
    return values.reshape(-1).view(np.uint8).data


def _transmitted(block: Block, dtype: str) -> tuple[Array, float]:
    """What to send of a block: no more than the shape needs, contiguous; and the scale left to apply.

    A 16-bit answer is scaled and cast here: half the bytes, and the cast is the last step of expanding
    anyway.
    """
    values, scale = block.values, block.scale
    if dtype != "float32" and scale != 1.0:
        values, scale = values * np.float32(scale), 1.0
    values = values[tuple(slice(0, size) for size in block.shape)]
    return np.asarray(values.astype(DTYPES[dtype], copy=False), order="C"), float(scale)


def read_tiles(
    source: bytes | bytearray | str | PathLike[str], *, limits: GraphLimits = DEFAULT_LIMITS
) -> WeightBlocks:
    """Read a tiles file from its bytes or a path. The answer's number format is the result's `dtype`. Blocks
    of float32 are parts of the bytes, which must stay as they are.

    Raises InvalidInput for anything malformed and LimitExceeded for more than the limits allow; both before
    anything of the announced size is made. Expanding the result cannot fail.
    """
    data = source if isinstance(source, bytes | bytearray) else Path(source).read_bytes()
    contents = read_contents(memoryview(data).toreadonly())
    index = _index(contents)
    dtype = index["dtype"]
    values = {key: _values(key, tensor, dtype) for key, tensor in contents.tensors.items()}
    blocks: dict[str, Block] = {}
    total = 0
    for entry in index["parameters"]:
        name, block = _parameter(entry, values, limits)
        if name in blocks:
            raise InvalidInput(f"The tiles file describes the parameter {name!r} twice.")
        blocks[name] = block
        total += block.numel
        if total > limits.max_parameters:
            raise LimitExceeded(
                f"The tiles file expands to more than {limits.max_parameters:,} parameters.",
                limit=limits.max_parameters,
                value=total,
            )
    return WeightBlocks(blocks, index["model"], index["model_digest"], dtype)


def _index(contents: Contents) -> JsonObject:
    text = contents.metadata.get(METADATA_KEY)
    if text is None:
        raise InvalidInput(
            "The safetensors file is not a tiles file: its metadata has no index.",
            hint="A file of the `safetensors` output is loaded as it is.",
        )
    try:
        index = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput("The index of the tiles file is not JSON.") from None
    if not isinstance(index, dict) or index.get("version") != VERSION:
        raise InvalidInput(
            f"The index of the tiles file is not of version {VERSION}.", hint="Update the client."
        )
    if not all(isinstance(index.get(key), str) for key in ("model", "model_digest", "dtype")):
        raise InvalidInput("The index of the tiles file lacks model, model_digest or dtype.")
    if index["dtype"] not in DTYPES:
        raise InvalidInput(f"The tiles file has the unknown dtype {index['dtype']!r}.")
    if not isinstance(index.get("parameters"), list):
        raise InvalidInput("The index of the tiles file has no list of parameters.")
    return index


def _values(key: str, tensor: tuple[str, tuple[int, ...], memoryview], dtype: str) -> NDArray[np.float32]:
    block_dtype, shape, data = tensor
    if block_dtype != dtype:
        raise InvalidInput(f"Block {key!r} of the tiles file is {block_dtype}, the answer is {dtype}.")
    if len(shape) > DEFAULT_LIMITS.max_rank or 0 in shape:
        raise InvalidInput(f"Block {key!r} of the tiles file has the impossible shape {list(shape)}.")
    return np.frombuffer(data, dtype=DTYPES[dtype]).reshape(shape).astype(np.float32, copy=False)


def _parameter(
    entry: Any, values: Mapping[str, NDArray[np.float32]], limits: GraphLimits
) -> tuple[str, Block]:
    """One entry of the index, checked so that the block can be expanded."""
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("name"), str)
        or not isinstance(entry.get("block"), str)
    ):
        raise InvalidInput("An entry of the tiles index lacks its name or its block.")
    name, shape, axes = entry["name"], entry.get("shape"), entry.get("axes")
    block = values.get(entry["block"])
    if block is None:
        raise InvalidInput(
            f"Parameter {name!r} uses the block {entry['block']!r}, which is not in the tiles file."
        )
    if not is_natural_list(shape) or len(shape) != block.ndim:
        raise InvalidInput(
            f"The shape {shape} of parameter {name!r} does not fit its block {list(block.shape)}."
        )
    if any(map(gt, block.shape, shape)):
        raise InvalidInput(
            f"The block of parameter {name!r}, {list(block.shape)}, exceeds its shape {shape}."
        )
    if max(shape, default=0) > limits.max_dim:
        raise LimitExceeded(
            f"A dimension of parameter {name!r} of the tiles file is larger than {limits.max_dim:,}.",
            limit=limits.max_dim,
        )
    if (count := prod(shape)) > limits.max_parameters:
        raise LimitExceeded(
            f"Parameter {name!r} has {count:,} values, the limit is {limits.max_parameters:,}.",
            limit=limits.max_parameters,
            value=count,
        )
    if axes is not None and not (is_natural_list(axes) and sorted(axes) == list(range(len(shape)))):
        raise InvalidInput(f"The axes {axes} of parameter {name!r} do not permute its shape {shape}.")
    scale = entry.get("scale", 1.0)
    # Compared, not converted: JSON allows whole numbers that no float holds. NaN fails the comparison.
    if type(scale) not in (int, float) or not -MAX_SCALE <= scale <= MAX_SCALE:
        raise InvalidInput(f"The scale of parameter {name!r} is not a number that float32 can hold.")
    word = entry.get("provenance")
    provenance = _PROVENANCES.get(word) if isinstance(word, str) else None
    if provenance is None:
        raise InvalidInput(f"Parameter {name!r} of the tiles file has no known provenance.")
    return name, Block(block, tuple(shape), float(scale), None if axes is None else tuple(axes), provenance)
