"""Files of an answer: the three outputs agree bit for bit, are stable, and are read by the libraries they
are meant for.
"""

from __future__ import annotations

import hashlib
import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from safetensors import deserialize, safe_open

from service.errors import InvalidInput, InvalidRequest
from service.weights.blocks import Block, Provenance, WeightBlocks
from service.weights.formats import read_tiles, write_weights
from service.weights.safetensors_layout import read_contents
from tests.weights.strategies import answers, dtypes


def written(weights: WeightBlocks, output: str, dtype: str = "float32") -> bytes:
    file = io.BytesIO()
    report = write_weights(file, weights, output=output, dtype=dtype)
    data = file.getvalue()
    assert (report.size_bytes, report.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    return data


@settings(max_examples=120, deadline=None)
@given(weights=answers(), dtype=dtypes)
def test_tiles_expand_to_the_safetensors_output_bit_for_bit(weights: WeightBlocks, dtype: str) -> None:
    tiles = read_tiles(written(weights, "tiles", dtype))
    assert tiles.dtype == dtype
    assert (tiles.model, tiles.model_digest) == (weights.model, weights.model_digest)
    full = dict(deserialize(written(weights, "safetensors", dtype)))
    expanded = tiles.expand()
    assert expanded.keys() == weights.blocks.keys() == full.keys()
    for name, array in expanded.items():
        assert list(array.shape) == full[name]["shape"]
        assert array.tobytes() == bytes(full[name]["data"])
        assert tiles.blocks[name].provenance is weights.blocks[name].provenance
    # Writing the answer again from its tiles changes nothing either.
    assert written(tiles, "safetensors", dtype) == written(weights, "safetensors", dtype)


@settings(max_examples=40, deadline=None)
@given(weights=answers())
def test_npz_holds_the_same_numbers(weights: WeightBlocks) -> None:
    with np.load(io.BytesIO(written(weights, "npz"))) as archive:
        assert list(archive.files) == list(weights.blocks)
        for name, block in weights.blocks.items():
            assert archive[name].tobytes() == block.expand().tobytes()
            assert archive[name].shape == block.stored_shape


@pytest.mark.parametrize("output", ["safetensors", "tiles", "npz"])
def test_the_same_answer_is_the_same_bytes(output: str, sample: WeightBlocks) -> None:
    assert written(sample, output, "float16") == written(sample, output, "float16")


def test_the_library_reads_names_order_and_metadata(tmp_path: Path, sample: WeightBlocks) -> None:
    path = tmp_path / "out.safetensors"
    write_weights(path, sample, output="safetensors", dtype="bfloat16")
    with safe_open(path, framework="np") as file:
        assert set(file.keys()) == set(sample.blocks)
        metadata = file.metadata()
    assert metadata["model"] == "sample-model"
    assert json.loads(metadata["tiled"]) == ["conv.weight"]
    assert json.loads(metadata["defaulted"]) == ["token"]
    assert float(metadata["coverage"]) == pytest.approx(sample.coverage, abs=1e-6)
    assert list(read_contents(path.read_bytes()).tensors) == list(sample.blocks)


def test_torch_loads_the_file(tmp_path: Path, sample: WeightBlocks) -> None:
    load_file = pytest.importorskip("safetensors.torch").load_file
    path = tmp_path / "out.safetensors"
    write_weights(path, sample, output="safetensors", dtype="float32")
    for name, tensor in load_file(path).items():
        np.testing.assert_array_equal(tensor.numpy(), sample.blocks[name].expand())


def test_a_shared_block_is_sent_once(sample: WeightBlocks) -> None:
    twice = {f"{copy}.{name}": block for copy in "ab" for name, block in sample.blocks.items()}
    alone, both = (written(WeightBlocks(blocks, "m", "d"), "tiles") for blocks in (sample.blocks, twice))
    count = len({block.values.tobytes() for block in sample.blocks.values()})
    assert len(read_contents(both).tensors) == len(read_contents(alone).tensors) == count


def test_blocks_that_begin_alike_are_told_apart() -> None:
    zeros = np.zeros(500, dtype=np.float32)
    others = [
        zeros,
        -zeros,
        *(np.where(np.arange(500) == place, np.float32(1), zeros) for place in (0, 400, 499)),
    ]
    blocks = {
        f"p{n}": Block(values.copy(), (500,), 1.0, None, Provenance.PREDICTED)
        for n, values in enumerate((*others, zeros, others[-1]))
    }
    data = written(WeightBlocks(blocks, "m", "d"), "tiles")
    assert len(read_contents(data).tensors) == len(others)
    for name, array in read_tiles(data).expand().items():
        assert array.tobytes() == blocks[name].values.tobytes()


def test_memory_stays_near_the_largest_tensor(tmp_path: Path) -> None:
    values = np.ones((8, 8), dtype=np.float32)
    weights = WeightBlocks(
        {f"p{n}": Block(values, (512, 512), 1.0, None, Provenance.TILED) for n in range(20)}, "m", "d"
    )
    tracemalloc.start()
    write_weights(tmp_path / "out.safetensors", weights, output="safetensors", dtype="float32")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2 * 512 * 512 * 4


@pytest.mark.parametrize(
    ("output", "dtype", "field"),
    [
        ("zip", "float32", "/output"),
        ("safetensors", "int8", "/dtype"),
        ("npz", "bfloat16", "/dtype"),
        ("onnx", "float32", "/output"),
    ],
)
def test_what_cannot_be_written_names_the_field(
    output: str, dtype: str, field: str, sample: WeightBlocks
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        write_weights(io.BytesIO(), sample, output=output, dtype=dtype)
    assert caught.value.extra["field"] == field


def test_a_parameter_may_not_take_the_name_of_the_metadata() -> None:
    block = Block(np.ones((1,), dtype=np.float32), (1,), 1.0, None, Provenance.PREDICTED)
    with pytest.raises(InvalidInput, match="__metadata__"):
        written(WeightBlocks({"__metadata__": block}, "m", "d"), "safetensors")
