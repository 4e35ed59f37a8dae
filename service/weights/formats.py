"""Writing an answer as a file: safetensors, tiles or npz.

All three are written tensor by tensor, so that the memory needed stays near the largest tensor, and the same
input always gives the same bytes. The `onnx` output is made by `graph_io.onnx_writer` from the expanded
tensors.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from typing import BinaryIO, cast

import numpy as np

from service.errors import InvalidRequest
from service.weights.blocks import DTYPES, Array, Provenance, WeightBlocks
from service.weights.output import OUTPUTS, check_output
from service.weights.safetensors_layout import TensorEntry, header_bytes
from service.weights.tiles import read_tiles, write_tiles

__all__ = ["WrittenFile", "read_tiles", "write_weights"]


# A fixed time stamp: an archive's bytes must not depend on when it was made.
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class WrittenFile:
    size_bytes: int
    sha256: str


def write_weights(
    path_or_file: str | PathLike[str] | BinaryIO,
    weights: WeightBlocks,
    *,
    output: str,
    dtype: str = "float32",
) -> WrittenFile:
    """Write an answer; returns the size and the digest of what was written.

    output: "safetensors" (every tensor at full size), "tiles" (distinct blocks and an index, see `tiles.py`)
        or "npz" (what numpy.savez writes). dtype: a key of DTYPES.

    Raises InvalidRequest for an unknown output or dtype, or a combination that the format cannot hold.
    """
    check_output(output, dtype)
    if output not in OUTPUTS:
        raise InvalidRequest(f"The output {output!r} needs the user's model.", field="/output")
    with _opened(path_or_file) as file:
        if output == "safetensors":
            _write_safetensors(file, weights, dtype)
        elif output == "tiles":
            write_tiles(cast(BinaryIO, file), weights, dtype)
        else:
            _write_npz(file, weights, dtype)
        return file.written()


class _HashingFile:
    """The part of a file that is needed for writing forwards, with a digest of what went through.

    It cannot seek, on purpose: zipfile then writes sizes behind the data instead of going back, and a pipe
    will do.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._size_bytes = 0

    def write(self, data: bytes | memoryview) -> int:
        self._file.write(data)
        self._digest.update(data)
        length = memoryview(data).nbytes
        self._size_bytes += length
        return length

    def flush(self) -> None:
        self._file.flush()

    def written(self) -> WrittenFile:
        return WrittenFile(self._size_bytes, self._digest.hexdigest())


@contextmanager
def _opened(path_or_file: str | PathLike[str] | BinaryIO) -> Iterator[_HashingFile]:
    if isinstance(path_or_file, str | PathLike):
        with open(path_or_file, "wb") as file:
            yield _HashingFile(file)
    else:
        yield _HashingFile(path_or_file)


def _write_safetensors(file: _HashingFile, weights: WeightBlocks, dtype: str) -> None:
    """Tensors in execution order, at the user's names and shapes."""
    itemsize = DTYPES[dtype].itemsize
    entries = [
        TensorEntry(name, dtype, block.stored_shape, block.numel * itemsize)
        for name, block in weights.blocks.items()
    ]
    file.write(header_bytes(entries, metadata(weights)))
    for array in _expanded_one_by_one(weights, dtype):
        file.write(_as_bytes(array))


def metadata(weights: WeightBlocks) -> dict[str, str]:
    """What a reader of the file should know. Tensors that neither list names were predicted at their full
    shape.
    """
    tiled = [name for name, block in weights.blocks.items() if block.provenance is Provenance.TILED]
    return {
        "format": "pt",  # some loaders insist on it: names and shapes are as torch has them
        "model": weights.model,
        "model_digest": weights.model_digest,
        "coverage": repr(round(weights.coverage, 6)),
        "tiled": json.dumps(tiled, separators=(",", ":")),
        "defaulted": json.dumps(list(weights.defaulted), separators=(",", ":")),
    }


def _write_npz(file: _HashingFile, weights: WeightBlocks, dtype: str) -> None:
    with zipfile.ZipFile(
        cast(BinaryIO, file), mode="w", compression=zipfile.ZIP_STORED, allowZip64=True
    ) as archive:
        for name, array in zip(weights.blocks, _expanded_one_by_one(weights, dtype), strict=True):
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=ZIP_EPOCH)
            with archive.open(entry, mode="w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(
                    member, {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
                )
                member.write(_as_bytes(array))


def _expanded_one_by_one(weights: WeightBlocks, dtype: str) -> Iterator[Array]:
    """Every tensor at full size, in one memory that the next tensor reuses: fresh pages cost more than
    filling them.
    """
    largest = max((block.numel for block in weights.blocks.values()), default=0)
    memory = np.empty(largest, dtype=DTYPES[dtype])
    for block in weights.blocks.values():
        yield block.expand(dtype, out=memory[: block.numel].reshape(block.stored_shape))


def _as_bytes(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
