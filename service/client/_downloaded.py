"""A weights file of the service, as the client reads it."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np

from service.client._errors import UnexpectedAnswer
from service.contract.results import PredictionResult
from service.errors import ServiceError
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits
from service.weights.blocks import DTYPES, Array, Block, Provenance, WeightBlocks
from service.weights.formats import read_tiles
from service.weights.safetensors_layout import read_contents


def read_download(
    body: bytes | bytearray, *, output: str, dtype: str, result: PredictionResult
) -> WeightBlocks:
    """Raises UnexpectedAnswer if the file is damaged or not what was asked for."""
    try:
        if output == "tiles":
            return read_tiles(body, limits=_as_announced(result))
        if output == "safetensors":
            return _read_safetensors(body, result, dtype)
        return _read_npz(body, result, dtype)
    except ServiceError as error:
        raise UnexpectedAnswer(f"the weights file cannot be read: {error.detail}") from error


def _as_announced(result: PredictionResult) -> GraphLimits:
    """A tiles file may expand to as many numbers as the answer says, and no more.

    How large a network may be is for the service to say: a limit of our own would refuse what it answered.
    """
    return replace(DEFAULT_LIMITS, max_parameters=result.num_parameters)


def _read_safetensors(body: bytes | bytearray, result: PredictionResult, dtype: str) -> WeightBlocks:
    contents = read_contents(memoryview(body))
    tiled = frozenset(json.loads(contents.metadata.get("tiled", "[]")))
    defaulted = frozenset(json.loads(contents.metadata.get("defaulted", "[]")))
    blocks = {}
    for name, (tensor_dtype, shape, data) in contents.tensors.items():
        array = np.frombuffer(data, dtype=DTYPES[tensor_dtype]).reshape(shape)
        blocks[name] = _full_block(array, _provenance(name, tiled, defaulted))
    return WeightBlocks(blocks, result.model, contents.metadata.get("model_digest", ""), dtype)


def _read_npz(body: bytes | bytearray, result: PredictionResult, dtype: str) -> WeightBlocks:
    """An npz file does not say which tensors were tiled; those count as predicted."""
    defaulted = frozenset(result.defaulted)
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as archive:
            blocks = {
                name: _full_block(archive[name], _provenance(name, frozenset(), defaulted))
                for name in archive.files
            }
    except (ValueError, OSError) as error:
        raise UnexpectedAnswer("the weights file is not an npz file") from error
    return WeightBlocks(blocks, result.model, "", dtype)


def _full_block(array: Array, provenance: Provenance) -> Block:
    return Block(array.astype(np.float32, copy=False), tuple(array.shape), 1.0, None, provenance)


def _provenance(name: str, tiled: frozenset[str], defaulted: frozenset[str]) -> Provenance:
    if name in defaulted:
        return Provenance.DEFAULTED
    return Provenance.TILED if name in tiled else Provenance.PREDICTED
