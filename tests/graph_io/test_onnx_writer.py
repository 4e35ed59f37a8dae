"""Filling a user's model: checked by onnx, run by onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from service.errors import InvalidArchitecture, InvalidInput, LimitExceeded, ServiceError
from service.graph_io.limits import DEFAULT_LIMITS
from service.graph_io.onnx_reader import read_onnx
from service.graph_io.onnx_strip import strip_onnx
from service.graph_io.onnx_writer import fill_onnx, fill_trained_onnx
from tests.graph_io.onnx_filling import check_refilled
from tests.graph_io.onnx_models import FLOAT, IMAGE, bare, full, ints, model, node, small_resnet


def weights_for(data: bytes, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    generator = np.random.default_rng(seed)
    graph = read_onnx(data)
    return {p.name: generator.normal(0, 0.1, p.shape).astype(np.float32) for p in graph.parameters()}


def run(data: bytes, x: NDArray[np.float32] | None = None) -> Any:
    onnx.checker.check_model(onnx.load_model_from_string(data))
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (only_input,) = session.get_inputs()
    shape = tuple(only_input.shape)
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32) if x is None else x
    return session.run(None, {only_input.name: values})[0]


def initializers(data: bytes) -> dict[str, NDArray[Any]]:
    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load_model_from_string(data).graph.initializer
    }


@pytest.mark.parametrize("external", [False, True])
def test_a_model_without_values_runs_when_filled(external: bool) -> None:
    proto = small_resnet()
    if external:
        for tensor in proto.graph.initializer:
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="nowhere")
    data = proto.SerializeToString()
    weights = weights_for(data)
    filled = fill_onnx(data, weights)
    assert run(filled).shape == (1, 10)
    stored = initializers(filled)
    for name, values in weights.items():
        np.testing.assert_array_equal(stored[name], values)
    assert (stored["bn1.running_mean"] == 0).all() and (stored["bn1.running_var"] == 1).all()


def test_the_model_s_own_weights_give_its_own_results() -> None:
    data = small_resnet().SerializeToString()
    original = fill_onnx(data, weights_for(data))
    proto = onnx.load_model_from_string(original)
    kept = {p.name for p in read_onnx(original).parameters()}
    values = {name: array for name, array in initializers(original).items() if name in kept}
    again = fill_onnx(strip_onnx(proto), values)
    np.testing.assert_array_equal(run(again), run(original))


def test_values_are_written_whatever_held_the_tensor() -> None:
    nodes = [
        helper.make_node("Constant", [], ["w1"], value=full("", np.zeros((4, 3, 1, 1)))),
        node("ConstantOfShape", ["shape"], "w2"),
        node("Identity", ["s1"], "s2"),
        node("Conv", ["x", "w1"], "a"),
        node("Conv", ["a", "w2"], "b"),
        node("BatchNormalization", ["b", "s1", "s1b", "m", "v"], "c"),
        node("BatchNormalization", ["c", "s2", "s2b", "m", "v"], "d"),
        node("Conv", ["d", "d.weight"], "y"),
    ]
    tensors = [ints("shape", 4, 4, 1, 1), *(bare(name, 4) for name in ("s1", "s1b", "s2b", "m", "v"))]
    inputs = [helper.make_tensor_value_info("d.weight", FLOAT, [2, 4, 1, 1])]
    data = model(nodes, tensors, inputs=inputs, output_shape=(1, 2, 8, 8)).SerializeToString()
    weights = weights_for(data)
    assert set(weights) == {"w1", "w2", "d.weight", "s1", "s2", "s1b", "s2b"}
    filled = fill_onnx(data, weights)
    assert run(filled).shape == (1, 2, 8, 8)
    stored = initializers(filled)
    assert all((stored[name] == values).all() for name, values in weights.items())
    graph = onnx.load_model_from_string(filled).graph
    assert [value.name for value in graph.input] == ["x"]
    assert not [part for part in graph.node if part.op_type in ("Constant", "ConstantOfShape", "Identity")]


def test_a_variance_merged_with_a_weight_stays_a_variance() -> None:
    """Exporters merge equal tensors: the ones of a fresh norm's weight and variance."""
    nodes = [
        node("Identity", ["bn.weight"], "bn.running_var"),
        node("BatchNormalization", ["x", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"], "y"),
    ]
    tensors = [bare(f"bn.{name}", 3) for name in ("weight", "bias", "running_mean")]
    filled = fill_onnx(
        model(nodes, tensors, output_shape=(1, 3, 8, 8)).SerializeToString(),
        {"bn.weight": np.full(3, -2.0, np.float32), "bn.bias": np.zeros(3)},
    )
    assert np.isfinite(run(filled)).all() and (initializers(filled)["bn.running_var"] == 1).all()


def merged_norms() -> bytes:
    """Two fresh norms behind a convolution, as the dynamo exporter leaves them: two tensors for all eight."""
    nodes = [
        node("Conv", ["x", "w"], "a"),
        node("BatchNormalization", ["a", "n.weight", "n.bias", "n.bias", "n.weight"], "b"),
        node("BatchNormalization", ["b", "n.weight", "n.bias", "n.bias", "n.weight"], "y"),
    ]
    kernel = full("w", np.random.default_rng(0).normal(size=(4, 3, 1, 1)))
    tensors = [kernel, full("n.bias", np.zeros(4)), full("n.weight", np.ones(4))]
    return model(nodes, tensors, output_shape=(1, 4, 8, 8)).SerializeToString()


def test_statistics_that_are_one_tensor_with_a_parameter_stay_statistics() -> None:
    data = merged_norms()
    weights = weights_for(data)
    assert set(weights) == {"w", "n.weight", "n.bias"}
    other = check_refilled(data, {"x": np.random.default_rng(1).normal(size=IMAGE).astype(np.float32)})
    stored = initializers(other)
    assert (stored["b.running_mean"] == 0).all() and (stored["y.running_var"] == 1).all()
    assert not (stored["n.weight"] == 1).any()
    assert set(weights_for(other)) == set(weights)
    stripped = initializers(fill_onnx(strip_onnx(data), weights))
    assert (stripped["b.running_mean"] == 0).all() and (stripped["y.running_var"] == 1).all()


def test_a_trained_network_s_statistics_are_each_norm_s_own() -> None:
    nodes = [
        node("BatchNormalization", ["x", "a.weight", "a.bias", "zeros", "ones"], "h"),
        node("BatchNormalization", ["h", "b.weight", "b.bias", "zeros", "ones"], "y"),
    ]
    names = [f"{norm}.{part}" for norm in "ab" for part in ("weight", "bias")]
    tensors = [full(name, np.ones(3)) for name in (*names, "ones")] + [full("zeros", np.zeros(3))]
    data = model(nodes, tensors, output_shape=(1, 3, 8, 8)).SerializeToString()
    trained = {name: np.full(3, 2.0, np.float32) for name in names}
    trained |= {f"{norm}.running_mean": np.full(3, value, np.float32) for norm, value in (("a", 5), ("b", 7))}
    trained |= {f"{norm}.running_var": np.full(3, value, np.float32) for norm, value in (("a", 4), ("b", 9))}
    x = np.random.default_rng(1).normal(size=IMAGE).astype(np.float32)
    h = 2 * (x - 5) / np.sqrt(4 + 1e-5) + 2
    np.testing.assert_allclose(
        run(fill_trained_onnx(data, trained), x), 2 * (h - 7) / np.sqrt(9 + 1e-5) + 2, rtol=1e-5, atol=1e-5
    )


def test_old_files_list_every_initializer_as_an_input() -> None:
    constant = helper.make_node("Constant", [], ["w"], value=full("", np.zeros((4, 3, 1, 1))))
    data = model(
        [constant, node("Conv", ["x", "w"], "y")], ir_version=3, opset=8, output_shape=(1, 4, 8, 8)
    ).SerializeToString()
    filled = onnx.load_model_from_string(fill_onnx(data, weights_for(data)))
    assert {value.name for value in filled.graph.input} == {"x", "w"}
    onnx.checker.check_model(filled)


def test_the_file_s_own_type_is_kept() -> None:
    data = model(
        [
            node("Cast", ["x"], "h", to=TensorProto.FLOAT16),
            node("Conv", ["h", "w"], "c"),
            node("Cast", ["c"], "y", to=FLOAT),
        ],
        [bare("w", 4, 3, 1, 1, data_type=TensorProto.FLOAT16)],
    ).SerializeToString()
    assert initializers(fill_onnx(data, weights_for(data)))["w"].dtype == np.float16


def test_what_cannot_be_filled_is_said() -> None:
    data = small_resnet().SerializeToString()
    with pytest.raises(InvalidArchitecture, match="'lost'"):
        fill_onnx(data, {"lost": np.zeros(3)})
    with pytest.raises(InvalidArchitecture, match="shape"):
        fill_onnx(data, {"fc.bias": np.zeros(3)})
    with pytest.raises(InvalidInput):
        fill_onnx(b"\x08", {})
    quantised = model(
        [node("DequantizeLinear", ["w8", "s"], "w"), node("Conv", ["x", "w"], "y")],
        [bare("w8", 4, 3, 1, 1, data_type=TensorProto.INT8), full("s", 1.0)],
    ).SerializeToString()
    with pytest.raises(InvalidArchitecture, match="INT8"):
        fill_onnx(quantised, weights_for(quantised))
    masked = model([node("Add", ["x", "attn_mask"], "y")], [bare("attn_mask", 3, 8, 8)]).SerializeToString()
    with pytest.raises(InvalidArchitecture, match="attn_mask"):
        fill_onnx(masked, {})


def test_files_larger_than_a_reader_takes_by_default_are_filled() -> None:
    """A service may be set to take more; what it has answered must not fail where the file is written."""
    parts = 25 * DEFAULT_LIMITS.max_nodes
    data = model(
        [node("Conv", ["x", "w"], "long_name"), node("Sum", ["long_name"] * parts, "y")],
        [bare("w", 4, 3, 1, 1)],
    ).SerializeToString()
    with pytest.raises(LimitExceeded, match="parts"):
        read_onnx(data)
    assert initializers(fill_onnx(data, {"w": np.ones((4, 3, 1, 1), np.float32)}))["w"].all()


@pytest.mark.parametrize(
    ("shape", "error"),
    [((2**62, 2**62), LimitExceeded), ((2**31,), LimitExceeded), ((-3,), InvalidArchitecture)],
)
def test_statistics_of_a_shape_that_cannot_be_made_up(
    shape: tuple[int, ...], error: type[ServiceError]
) -> None:
    names = [f"bn.{name}" for name in ("weight", "bias", "running_mean", "running_var")]
    proto = model([node("BatchNormalization", ["x", *names], "y")], [bare(name, 3) for name in names])
    proto.graph.initializer[3].dims[:] = shape
    weights = {name: np.ones(3, np.float32) for name in names[:2]}
    with pytest.raises(error) as caught:
        fill_onnx(proto.SerializeToString(), weights)
    assert caught.value.extra["node"] == "bn.running_var"


def test_many_statistics_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.graph_io.onnx_writer.MAX_MODEL_BYTES", 100_000)
    nodes = [
        node("BatchNormalization", [f"{i}", "w", "b", "b", "w"], f"{i + 1}") for i in range(100)
    ]  # each gets statistics of its own
    proto = model(
        [node("Relu", ["x"], "0"), *nodes, node("Relu", ["100"], "y")], [bare("w", 300), bare("b", 300)]
    )
    weights = {name: np.ones(300, np.float32) for name in "wb"}
    with pytest.raises(LimitExceeded):
        fill_onnx(proto.SerializeToString(), weights)
