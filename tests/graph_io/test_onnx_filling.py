"""`--output onnx` is proved by running it: a file that gets other weights, and then its own again, computes
what it computed before, whatever kind of network it holds and however it stores its tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from service.errors import InvalidArchitecture, InvalidInput
from service.graph_io.onnx_reader import read_onnx
from service.graph_io.onnx_strip import strip_onnx
from service.graph_io.onnx_writer import fill_onnx
from tests.graph_io.onnx_filling import Arrays, check_refilled, outputs, own_weights
from tests.graph_io.onnx_models import FLOAT, IMAGE, full, ints, model, node

BOOL, INT64 = TensorProto.BOOL, TensorProto.INT64
RANDOM = np.random.default_rng(3)


def numbers(name: str, *shape: int, dtype: type = np.float32) -> TensorProto:
    return numpy_helper.from_array((RANDOM.normal(size=shape) * 0.4).astype(dtype), name)


def constant(name: str, *shape: int) -> NodeProto:
    return helper.make_node("Constant", [], [name], value=numbers("", *shape))


def graph(name: str, nodes: list[NodeProto], result: str, tensors: list[TensorProto]) -> GraphProto:
    value = helper.make_tensor_value_info(result, FLOAT, None)
    return helper.make_graph(nodes, name, [], [value], tensors)


def image() -> Arrays:
    return {"x": RANDOM.normal(size=IMAGE).astype(np.float32)}


def cnn() -> tuple[ModelProto, Arrays]:
    nodes = [
        node("Conv", ["x", "w", "b"], "a"),
        node("BatchNormalization", ["a", "n.weight", "n.bias", "n.running_mean", "n.running_var"], "c"),
        node("Relu", ["c"], "d"),
        node("GlobalAveragePool", ["d"], "e"),
        node("Flatten", ["e"], "f"),
        node("Gemm", ["f", "fc.weight", "fc.bias"], "y", transB=1),
    ]
    tensors = [numbers("w", 4, 3, 3, 3), numbers("b", 4), numbers("fc.weight", 5, 4), numbers("fc.bias", 5)]
    tensors += [numbers(f"n.{name}", 4) for name in ("weight", "bias", "running_mean")]
    tensors += [full("n.running_var", [0.5, 2, 3, 1])]
    return model(nodes, tensors, output_shape=(1, 5)), image()


def decoder() -> tuple[ModelProto, Arrays]:
    """The causal mask and the rotary cosines are initializers, as the dynamo exporter folds them."""
    length, width = 6, 8
    mask = np.triu(np.full((length, length), np.finfo(np.float32).min, np.float32), 1)[None]
    tensors = [numbers(f"w{name}", width, width) for name in "qkvo"]
    tensors += [full("where", mask), full("cos_1", np.cos(np.outer(np.arange(length), np.ones(width)))[None])]
    nodes = [
        *(node("MatMul", ["x", f"w{name}"], name) for name in "qkv"),
        node("Mul", ["q", "cos_1"], "qr"),
        node("Transpose", ["k"], "kt", perm=[0, 2, 1]),
        node("MatMul", ["qr", "kt"], "s"),
        node("Add", ["s", "where"], "sm"),
        node("Softmax", ["sm"], "p", axis=-1),
        node("MatMul", ["p", "v"], "o"),
        node("MatMul", ["o", "wo"], "y"),
    ]
    feeds = {"x": RANDOM.normal(size=(1, length, width)).astype(np.float32)}
    return model(nodes, tensors, shape=(1, length, width), output_shape=("i", "j", "k")), feeds


def lstm() -> tuple[ModelProto, Arrays]:
    nodes = [
        node("LSTM", ["x", "W", "R", "B", "", "h0", "c0"], ["Y", "Yh", "Yc"], hidden_size=8),
        node("Squeeze", ["Y", "one"], "s"),
        node("MatMul", ["s", "fc"], "y"),
    ]
    tensors = [numbers("W", 1, 32, 4), numbers("R", 1, 32, 8), numbers("B", 1, 64), numbers("fc", 8, 3)]
    states = [helper.make_tensor_value_info(name, FLOAT, [1, 1, 8]) for name in ("h0", "c0")]
    proto = model(
        nodes,
        [*tensors, ints("one", 1)],
        shape=(5, 1, 4),
        inputs=states,
        outputs=("y", "Yh", "Yc"),
        output_shape=("i", "j", "k"),
    )
    feeds = {"x": (5, 1, 4), "h0": (1, 1, 8), "c0": (1, 1, 8)}
    return proto, {name: RANDOM.normal(size=shape).astype(np.float32) for name, shape in feeds.items()}


def branches() -> tuple[ModelProto, Arrays]:
    """One keeps its weights in Constant nodes, the other as initializers of its own."""
    then = graph("then", [constant("k1", 4, 3, 3, 3), node("Conv", ["x", "k1", "b1"], "t")], "t", [])
    other = graph("other", [node("Conv", ["x", "k2"], "e")], "e", [numbers("k2", 4, 3, 3, 3)])
    nodes = [
        node("If", ["c"], "r", then_branch=then, else_branch=other),
        node("If", ["d"], "s", then_branch=_inner("r", "k3"), else_branch=_inner("r", "k4")),
        node("Conv", ["s", "w"], "y"),
    ]
    flags = [helper.make_tensor_value_info(name, BOOL, []) for name in "cd"]
    proto = model(
        nodes, [numbers("w", 2, 4, 1, 1), numbers("b1", 4)], inputs=flags, output_shape=("i", "j", "k", "l")
    )
    return proto, {**image(), "c": np.array(True), "d": np.array(False)}


def _inner(source: str, weight: str) -> GraphProto:
    nodes = [constant(weight, 4, 4, 1, 1), node("Conv", [source, weight], f"{weight}_out")]
    return graph(weight, nodes, f"{weight}_out", [])


def loop() -> tuple[ModelProto, Arrays]:
    body = helper.make_graph(
        [
            node("MatMul", ["h_in", "step"], "m"),
            node("Add", ["m", "step_bias"], "a"),
            node("Tanh", ["a"], "h_out"),
            node("Identity", ["go_on"], "go_out"),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", INT64, []),
            helper.make_tensor_value_info("go_on", BOOL, []),
            helper.make_tensor_value_info("h_in", FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_out", BOOL, []),
            helper.make_tensor_value_info("h_out", FLOAT, None),
        ],
        [numbers("step", 8, 8), numbers("step_bias", 8)],
    )
    nodes = [
        node("MatMul", ["x", "w_in"], "h"),
        node("Loop", ["three", "true", "h"], "looped", body=body),
        node("MatMul", ["looped", "w_out"], "y"),
    ]
    tensors = [numbers("w_in", 6, 8), numbers("w_out", 8, 3), full("three", 3, np.int64)]
    proto = model(nodes, [*tensors, full("true", True, np.bool_)], shape=(2, 6), output_shape=("i", "j"))
    return proto, {"x": RANDOM.normal(size=(2, 6)).astype(np.float32)}


def functions() -> tuple[ModelProto, Arrays]:
    """A function that is called twice holds one weight, and reads another that differs from call to call."""
    body = [constant("k", 8, 8), node("MatMul", ["a", "k"], "m"), node("Add", ["m", "b"], "o")]
    block = helper.make_function("local", "Block", ["a", "b"], ["o"], body, [helper.make_opsetid("", 18)])
    nodes = [
        helper.make_node("Block", ["x", "b1"], ["h"], domain="local", name="first"),
        helper.make_node("Block", ["h", "b2"], ["y"], domain="local", name="second"),
    ]
    tensors = [numbers("b1", 8), numbers("b2", 8)]
    proto = model(nodes, tensors, shape=(2, 8), functions=[block], output_shape=("i", "j"))
    return proto, {"x": RANDOM.normal(size=(2, 8)).astype(np.float32)}


def half(dtype: type) -> tuple[ModelProto, Arrays]:
    nodes = [
        node("Cast", ["w"], "wide", to=FLOAT),
        node("Cast", ["b"], "wide_bias", to=FLOAT),
        node("Conv", ["x", "wide", "wide_bias"], "y"),
    ]
    tensors = [numbers("w", 4, 3, 3, 3, dtype=dtype), numbers("b", 4, dtype=dtype)]
    return model(nodes, tensors, output_shape=("i", "j", "k", "l")), image()


def tied() -> tuple[ModelProto, Arrays]:
    """A table of words that is the output layer, too; a convolution that is used twice."""
    nodes = [
        node("Gather", ["table", "x"], "h"),
        node("MatMul", ["h", "w"], "a"),
        node("MatMul", ["a", "w"], "b"),
        node("Transpose", ["table"], "tt", perm=[1, 0]),
        node("MatMul", ["b", "tt"], "y"),
    ]
    proto = model(
        nodes, [numbers("table", 9, 6), numbers("w", 6, 6)], shape=(1, 4), output_shape=("i", "j", "k")
    )
    proto.graph.input[0].type.tensor_type.elem_type = INT64
    return proto, {"x": np.array([[0, 3, 8, 2]])}


def single_numbers() -> tuple[ModelProto, Arrays]:
    """A bias of rank 0, one of a single output, a temperature."""
    nodes = [
        node("Gemm", ["x", "w", "b"], "h"),
        node("MatMul", ["h", "v"], "s"),
        node("Add", ["s", "v_bias"], "t"),
        node("Mul", ["t", "head.temperature"], "y"),
    ]
    tensors = [numbers("w", 8, 4), full("b", 0.5), numbers("v", 4, 1), full("v_bias", [[0.3]])]
    proto = model(nodes, [*tensors, full("head.temperature", 1.5)], shape=(2, 8), output_shape=("i", "j"))
    return proto, {"x": RANDOM.normal(size=(2, 8)).astype(np.float32)}


def long_names() -> tuple[ModelProto, Arrays]:
    name = ";".join(f"model_1/batch_normalization_{place}/FusedBatchNormV3" for place in range(40))
    nodes = [node("Conv", ["x", name], "y", name="n" * 300)]
    return model(nodes, [numbers(name, 4, 3, 3, 3)], output_shape=("i", "j", "k", "l")), image()


KINDS: dict[str, tuple[Callable[[], tuple[ModelProto, Arrays]], set[str]]] = {
    "cnn": (cnn, {"w", "b", "n.weight", "n.bias", "fc.weight", "fc.bias"}),
    "decoder": (decoder, {"wq", "wk", "wv", "wo"}),
    "lstm": (lstm, {"W", "R", "B", "fc"}),
    "branches": (branches, {"k1", "k2", "k3", "k4", "w", "b1"}),
    "loop": (loop, {"w_in", "step", "step_bias", "w_out"}),
    "functions": (functions, {"Block/k", "b1", "b2"}),
    "float16": (lambda: half(np.float16), {"w", "b"}),
    "bfloat16": (lambda: half(ml_dtypes.bfloat16), {"w", "b"}),
    "tied": (tied, {"table", "w"}),
    "single numbers": (single_numbers, {"w", "b", "v", "v_bias", "head.temperature"}),
    "long names": (long_names, set()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_its_own_weights_put_back_computes_what_it_did(kind: str) -> None:
    make, names = KINDS[kind]
    proto, feeds = make()
    data = proto.SerializeToString()
    assert set(own_weights(data)) == (names or {proto.graph.initializer[0].name})
    check_refilled(data, feeds)


@pytest.mark.parametrize("choice", [True, False])
def test_both_branches_are_filled(choice: bool) -> None:
    proto, feeds = branches()
    check_refilled(proto.SerializeToString(), {**feeds, "c": np.array(choice), "d": np.array(choice)})


def test_a_sparse_weight_becomes_a_dense_one() -> None:
    dense = np.zeros((8, 4), np.float32)
    dense[[1, 5], [2, 0]] = [0.5, -1]
    values = numpy_helper.from_array(dense[dense != 0], "w")
    places = numpy_helper.from_array(np.flatnonzero(dense), "w_places")
    proto = model([node("MatMul", ["x", "w"], "y")], shape=(2, 8), output_shape=("i", "j"))
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [8, 4]))
    x = RANDOM.normal(size=(2, 8)).astype(np.float32)
    filled = fill_onnx(proto.SerializeToString(), {"w": dense})
    assert not onnx.load_model_from_string(filled).graph.sparse_initializer
    np.testing.assert_allclose(outputs(filled, {"x": x})[0], x @ dense, rtol=1e-6)


def saved_beside(folder: Path) -> Path:
    """A network whose weights, and a table that nobody trains, lie in a file of their own."""
    nodes = [
        node("MatMul", ["x", "fc.weight"], "a"),
        node("Sub", ["a", "table"], "s"),
        node("MatMul", ["s", "fc2.weight"], "y"),
    ]
    tensors = [numbers("fc.weight", 16, 40), numbers("table", 40), numbers("fc2.weight", 40, 4)]
    path = folder / "net.onnx"
    proto = model(nodes, tensors, shape=(1, 16), output_shape=("i", "j"))
    onnx.save_model(proto, path, save_as_external_data=True, location="d", size_threshold=9)
    return path


def test_constants_in_a_file_beside_the_model_are_read_on_its_owner_s_disk(tmp_path: Path) -> None:
    path = saved_beside(tmp_path)
    whole = onnx.load(path)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in whole.graph.initializer}
    del weights["table"]
    assert {parameter.name for parameter in read_onnx(path.read_bytes()).parameters()} == set(weights)
    feeds = {"x": RANDOM.normal(size=(1, 16)).astype(np.float32)}
    filled = fill_onnx(path.read_bytes(), weights, tmp_path)
    np.testing.assert_array_equal(outputs(filled, feeds)[0], outputs(whole.SerializeToString(), feeds)[0])
    with pytest.raises(InvalidArchitecture, match="'table' has no values"):
        fill_onnx(path.read_bytes(), weights)


def test_nothing_outside_of_the_model_s_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = saved_beside(folder)
    (folder / "d").rename(tmp_path / "d")
    weights = {"fc.weight": np.zeros((16, 40)), "fc2.weight": np.zeros((40, 4))}
    with pytest.raises(InvalidInput, match="'table' cannot be read from 'd'"):
        fill_onnx(path.read_bytes(), weights, folder)
    proto = onnx.load_model_from_string(path.read_bytes())
    for tensor in proto.graph.initializer:
        tensor.external_data[0].value = "../d"
    with pytest.raises(InvalidInput, match="'table' cannot be read"):
        fill_onnx(proto.SerializeToString(), weights, folder)


def test_the_caller_s_constants_of_a_function_are_not_filled() -> None:
    """The value of an attribute is the call's: there is no one tensor that could be written."""
    body = [helper.make_node("Constant", [], ["k"]), node("MatMul", ["a", "k"], "o")]
    body[0].attribute.append(
        onnx.AttributeProto(name="value", ref_attr_name="weight", type=onnx.AttributeProto.TENSOR)
    )
    block = helper.make_function("local", "B", ["a"], ["o"], body, [helper.make_opsetid("", 18)], ["weight"])
    call = helper.make_node("B", ["x"], ["y"], domain="local", name="n", weight=numbers("", 8, 8))
    data = model([call], shape=(2, 8), functions=[block]).SerializeToString()
    (name,) = (parameter.name for parameter in read_onnx(data).parameters())
    with pytest.raises(InvalidArchitecture, match="cannot be filled in"):
        fill_onnx(data, {name: np.zeros((8, 8))})
    assert read_onnx(strip_onnx(data)) == read_onnx(data)
