"""A tiles file from outside: refused by a clear error before anything of its announced size is made."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidInput, LimitExceeded, ServiceError
from service.graph_io.limits import DEFAULT_LIMITS
from service.weights.blocks import WeightBlocks
from service.weights.formats import read_tiles, write_weights

Change = Callable[[dict[str, Any]], object]


def tiles_file(index: Any, **entry: Any) -> bytes:
    data = np.ones((2, 2), dtype=np.float32).tobytes()
    tensor = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, len(data)], **entry}
    text = index if isinstance(index, str) else json.dumps(index)
    header = json.dumps({"__metadata__": {"tiles": text}, "0": tensor}).encode()
    return struct.pack("<Q", len(header)) + header + data


def valid_index() -> dict[str, Any]:
    parameter = {"name": "w", "block": "0", "shape": [4, 4], "provenance": "tiled"}
    return {"version": 1, "model": "m", "model_digest": "d", "dtype": "float32", "parameters": [parameter]}


def test_the_base_of_these_tests_is_valid() -> None:
    assert read_tiles(tiles_file(valid_index())).expand()["w"].shape == (4, 4)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda p: p.update(shape=[2**20, 2**20]), LimitExceeded),
        (lambda p: p.update(shape=[10**300, 4]), LimitExceeded),
        (lambda p: p.update(shape=[1, 4]), InvalidInput),
        (lambda p: p.update(shape=[0, 4]), InvalidInput),
        (lambda p: p.update(shape=[-4, 4]), InvalidInput),
        (lambda p: p.update(shape=[4.0, 4]), InvalidInput),
        (lambda p: p.update(shape=[True, 4]), InvalidInput),
        (lambda p: p.update(shape=[4, 4, 4]), InvalidInput),
        (lambda p: p.update(shape="44"), InvalidInput),
        (lambda p: p.pop("shape"), InvalidInput),
        (lambda p: p.update(block="1"), InvalidInput),
        (lambda p: p.update(block=0), InvalidInput),
        (lambda p: p.update(name=3), InvalidInput),
        (lambda p: p.update(axes=[0, 0]), InvalidInput),
        (lambda p: p.update(axes=[1]), InvalidInput),
        (lambda p: p.update(axes={"a": 1}), InvalidInput),
        (lambda p: p.update(scale="1"), InvalidInput),
        (lambda p: p.update(scale=10**400), InvalidInput),
        (lambda p: p.update(scale=1e300), InvalidInput),
        (lambda p: p.update(scale=float("nan")), InvalidInput),
        (lambda p: p.update(scale=True), InvalidInput),
        (lambda p: p.update(provenance="magic"), InvalidInput),
        (lambda p: p.update(provenance=["tiled"]), InvalidInput),
    ],
)
def test_a_wrong_entry_is_refused(change: Change, error: type[ServiceError]) -> None:
    index = valid_index()
    change(index["parameters"][0])
    with pytest.raises(error):
        read_tiles(tiles_file(index))


@pytest.mark.parametrize(
    "change",
    [
        lambda i: i.update(version=2),
        lambda i: i.update(dtype="float64"),
        lambda i: i.update(dtype="float16"),
        lambda i: i.update(dtype=["float32"]),
        lambda i: i.pop("model"),
        lambda i: i.update(parameters={}),
        lambda i: i.update(parameters=[1]),
        lambda i: i["parameters"].append(i["parameters"][0]),
    ],
)
def test_a_wrong_index_is_refused(change: Change) -> None:
    index = valid_index()
    change(index)
    with pytest.raises(InvalidInput):
        read_tiles(tiles_file(index))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "null"])
def test_an_index_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_tiles(tiles_file(text))


@pytest.mark.parametrize(
    "entry",
    [
        {"data_offsets": [0, 12]},
        {"data_offsets": [8, 0]},
        {"data_offsets": [0, 10**9]},
        {"data_offsets": [0]},
        {"shape": [10**9, 10**9]},
        {"shape": [2, 2, 0]},
        {"dtype": "I64"},
        {"dtype": []},
        {"more": 1},
    ],
)
def test_a_wrong_header_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        read_tiles(tiles_file(valid_index(), **entry))


def test_many_large_parameters_from_one_block_meet_the_total_limit() -> None:
    index = valid_index()
    index["parameters"] = [
        {**index["parameters"][0], "name": f"w{n}", "shape": [2**14, 2**14]} for n in range(100)
    ]
    tracemalloc.start()
    with pytest.raises(LimitExceeded) as caught:
        read_tiles(tiles_file(index))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.extra["limit"] == DEFAULT_LIMITS.max_parameters
    assert peak_bytes < 2**20


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_files_never_do_worse_than_a_clear_error(data: st.DataObject) -> None:
    file = bytearray(tiles_file(valid_index()))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(file) - 1))
        file[position] = data.draw(st.integers(0, 255))
    try:
        read_tiles(bytes(file[: data.draw(st.integers(0, len(file)))])).expand()
    except ServiceError as error:
        assert error.status in (400, 413)


def test_an_ordinary_safetensors_file_is_no_tiles_file(sample: WeightBlocks) -> None:
    file = io.BytesIO()
    write_weights(file, sample, output="safetensors")
    with pytest.raises(InvalidInput, match="index"):
        read_tiles(file.getvalue())
