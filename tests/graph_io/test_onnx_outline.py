"""The outline of a file is what stripping leaves of it, and large weights are not read for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.performance.large_inputs import large_onnx
from service.errors import InvalidInput
from service.graph_io.onnx_outline import outline
from service.graph_io.onnx_strip import strip_onnx
from service.graph_io.sources import read_outline


def model(*weights: onnx.TensorProto) -> bytes:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="n" * 50_000)]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 64]) for name in "xy"]
    graph = helper.make_graph(nodes, "net", values[:1], values[1:], initializer=list(weights))
    return helper.make_model(graph, doc_string="d" * 100_000).SerializeToString()


def floats(name: str, *shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


CASES = {
    "raw": floats("w", 200, 200),
    "typed": TensorProto(name="w", data_type=TensorProto.FLOAT, dims=(100, 500), float_data=[1.0] * 50_000),
    "halves": TensorProto(name="w", data_type=TensorProto.FLOAT16, dims=(100, 500), int32_data=[9] * 50_000),
    "doubles": TensorProto(name="w", data_type=TensorProto.DOUBLE, dims=(9000,), double_data=[1.0] * 9000),
    "many whole numbers": numpy_helper.from_array(np.full(50_000, -1), "w"),
    "whole numbers that stay": numpy_helper.from_array(np.full(4096, -1), "w"),
    "typed numbers that stay": TensorProto(
        name="w", data_type=TensorProto.INT64, dims=(4096,), int64_data=[-1] * 4096
    ),
    "small": floats("w", 4, 4),
    "texts": TensorProto(name="w", data_type=TensorProto.STRING, dims=(2,), string_data=[b"a" * 90_000] * 2),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_stripping_the_outline_is_stripping_the_model(case: str) -> None:
    data = model(CASES[case], floats("other", 300, 300))
    assert strip_onnx(outline(data)) == strip_onnx(data)
    assert len(outline(data)) < len(data) - 300 * 300 * 4 + 100


@pytest.mark.parametrize("damage", [b"\xff" * 40, b"\x0a\xff\xff\xff", b""])
def test_what_is_no_model_comes_back_as_it_is(damage: bytes) -> None:
    assert outline(damage) == damage


def test_a_truncated_file_is_refused_as_before(tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(model(floats("w", 2000, 2000))[:-100])
    with pytest.raises(InvalidInput, match="cannot be parsed"):
        strip_onnx(read_outline(path))


# `ru_maxrss` of a child may be its parent's peak; `VmHWM` is its own.
PEAK = """
import sys
from pathlib import Path
from service.graph_io.sources import read_outline

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

read_outline(Path(sys.argv[2]))  # imports what reading takes
before = peak()
data = read_outline(Path(sys.argv[1]))
print(peak() - before, len(data))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks of memory are read from /proc")
def test_a_large_file_is_read_in_a_fraction_of_its_size(tmp_path: Path) -> None:
    path, small = tmp_path / "large.onnx", tmp_path / "small.onnx"
    large_onnx(path, layers=8, width=2500)
    large_onnx(small, layers=1, width=10)
    assert path.stat().st_size > 200_000_000
    command = [sys.executable, "-c", PEAK, str(path), str(small)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kibibytes, length = map(int, done.stdout.split())
    assert length < 2_000 and kibibytes < 40_000
    assert len(onnx.ModelProto.FromString(read_outline(path)).graph.initializer) == 8
