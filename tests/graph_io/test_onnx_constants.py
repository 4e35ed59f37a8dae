"""Tensors that nobody trains stay what they are, though they stand where parameters might."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from service.graph_io.onnx.naming import is_constant_name, is_made_up
from service.graph_io.onnx_reader import read_onnx
from tests.graph_io.onnx_filling import check_refilled, outputs
from tests.graph_io.onnx_models import FLOAT, bare, full, ints, model, node, parameters, read

RANDOM = np.random.default_rng(0)


def values(*shape: int) -> NDArray[np.float32]:
    return RANDOM.normal(0, 0.3, shape).astype(np.float32)


def decoder(*, kinds: bool = False) -> onnx.ModelProto:
    """A causal attention with rotary positions, as torch's exporter leaves it after folding constants."""
    length, width = 6, 8
    angles = np.arange(length)[:, None] * np.array([1, 0.1, 0.01, 0.001] * 2)[None]
    tensors = [
        *(full(name, values(width, width)) for name in ("q.weight", "k.weight", "v.weight", "o.weight")),
        full("slice_1", values(1, length, width)),
        full("triu", np.triu(np.full((length, length), np.finfo(np.float32).min), 1)),
        full("unsqueeze_14", np.cos(angles)[None]),
        full("sin", np.sin(angles)[None]),
    ]
    nodes = [node("Add", ["x", "slice_1"], "h")]
    nodes += [node("MatMul", ["h", f"{name}.weight"], name) for name in "qkv"]
    for name in "qk":
        nodes += [
            node("Mul", [name, "unsqueeze_14"], f"{name}_cos"),
            node("Neg", [name], f"{name}_turned"),
            node("Mul", [f"{name}_turned", "sin"], f"{name}_sin"),
            node("Add", [f"{name}_cos", f"{name}_sin"], f"{name}_placed"),
        ]
    nodes += [
        node("Transpose", ["k_placed"], "kt", perm=[0, 2, 1]),
        node("MatMul", ["q_placed", "kt"], "scores"),
        node("Add", ["scores", "triu"], "masked"),
        node("Softmax", ["masked"], "p", axis=-1),
        node("MatMul", ["p", "v"], "a"),
        node("MatMul", ["a", "o.weight"], "y"),
    ]
    proto = model(nodes, tensors, shape=(1, length, width), output_shape=(1, length, width))
    for tensor in proto.graph.initializer if kinds else ():
        if tensor.name.endswith("weight"):
            info = proto.graph.value_info.add(name=tensor.name)
            info.metadata_props.add(key="pkg.torch.export.graph_signature.InputSpec.kind", value="PARAMETER")
    return proto


@pytest.mark.parametrize("kinds", [False, True])
def test_a_decoder_stays_causal(kinds: bool) -> None:
    data = decoder(kinds=kinds).SerializeToString()
    assert set(parameters(read_onnx(data))) == {"q.weight", "k.weight", "v.weight", "o.weight"}
    x = values(1, 6, 8)
    filled = check_refilled(data, {"x": x})
    last_moved = x.copy()
    last_moved[0, -1] += 5
    (before,), (after,) = outputs(filled, {"x": x}), outputs(filled, {"x": last_moved})
    np.testing.assert_array_equal(before[:, :-1], after[:, :-1])
    assert not np.allclose(before[:, -1], after[:, -1])


def test_what_the_exporter_does_not_call_a_parameter_is_one_in_a_weight_s_place_only() -> None:
    """Transposed weights, reshaped layer scales and expanded class tokens are folded under other names."""
    nodes = [
        node("MatMul", ["x", "val_22"], "a"),
        node("Add", ["a", "fc.bias"], "b"),
        node("Mul", ["b", "view"], "c"),
        node("Add", ["c", "table"], "d"),
        node("Mul", ["d", "gains"], "e"),
        node("Concat", ["expand", "e"], "f", axis=1),
        node("MatMul", ["f", "val_23"], "y"),
    ]
    tensors = [bare("val_22", 8, 6), bare("fc.bias", 6), bare("view", 1, 1, 6), bare("table", 1, 4, 6)]
    tensors += [bare("gains", 1, 4, 1), bare("expand", 1, 1, 6), bare("val_23", 6, 3)]
    proto = model(nodes, tensors, shape=(1, 4, 8))
    info = proto.graph.value_info.add(name="fc.bias")
    info.metadata_props.add(key="pkg.torch.export.graph_signature.InputSpec.kind", value="PARAMETER")
    assert list(parameters(read_onnx(proto.SerializeToString()))) == [
        "val_22", "fc.bias", "view", "expand", "val_23",
    ]  # fmt: skip


CONV, PRODUCT = bare("w", 4, 3, 3, 3), bare("w1", 8, 8)
STRIDES = "/model.22/Constant_12_output_0"
CASES: dict[str, tuple[Sequence[NodeProto], Sequence[TensorProto], dict[str, Any], set[str]]] = {
    "strides of a box decoder": (
        [
            node("Conv", ["x", "w"], "c"),
            node("Reshape", ["c", "s"], "r"),
            node("Sigmoid", ["r"], "q"),
            node("Mul", ["q", STRIDES], "y"),
        ],
        [CONV, ints("s", 1, 4, -1), full(STRIDES, np.full((1, 36), 8))],
        {},
        {"w"},
    ),
    "a sinusoidal table": (
        [
            node("MatMul", ["x", "w1"], "h"),
            node("Add", ["h", "pos_encoder.pe"], "p"),
            node("MatMul", ["p", "w2"], "y"),
        ],
        [PRODUCT, bare("pos_encoder.pe", 1, 5, 8), bare("w2", 8, 3)],
        {"shape": (1, 5, 8)},
        {"w1", "w2"},
    ),
    "a mel spectrogram": (
        [
            node("STFT", ["x", "step", "spectrogram.window"], "s"),
            node("ReduceSumSquare", ["s", "complex"], "r", keepdims=0),
            node("MatMul", ["r", "mel_scale.fb"], "mel"),
            node("MatMul", ["mel", "w"], "y"),
        ],
        [
            full("step", 64, int),
            bare("spectrogram.window", 64),
            ints("complex", 3),
            bare("mel_scale.fb", 33, 16),
            bare("w", 16, 4),
        ],
        {"shape": (1, 256)},
        {"w"},
    ),
    "caches of rotary positions": (
        [
            node("MatMul", ["x", "w1"], "q"),
            node("RotaryEmbedding", ["q", "cos", "sines"], "r", num_heads=2),
            node("MatMul", ["r", "w2"], "y"),
        ],
        [PRODUCT, bare("cos", 1, 5, 2), bare("sines", 1, 5, 2), bare("w2", 8, 8)],
        {"shape": (1, 5, 8), "opset": 23, "ir_version": 10},
        {"w1", "w2"},
    ),
    "a table of positions, looked up": (
        [
            node("MatMul", ["x", "w1"], "h"),
            node("ArgMax", ["h"], "i", axis=2, keepdims=0),
            node("Gather", ["onnx::Gather_12", "i"], "p"),
            node("Add", ["h", "p"], "y"),
        ],
        [PRODUCT, bare("onnx::Gather_12", 64, 8)],
        {"shape": (1, 5, 8)},
        {"w1"},
    ),
    "the grid of a sampling": (
        [node("GridSample", ["x", "flow.base"], "g"), node("Conv", ["g", "w"], "y")],
        [CONV, bare("flow.base", 1, 8, 8, 2)],
        {},
        {"w"},
    ),
    "zeros that are written into": (
        [node("ScatterND", ["zeros", "i", "x"], "t"), node("MatMul", ["t", "w1"], "y")],
        [PRODUCT, full("zeros", np.zeros((4, 8))), full("i", [[0], [2]], int)],
        {"shape": (2, 8)},
        {"w1"},
    ),
    "off and on of OneHot": (
        [
            node("Cast", ["x"], "c", to=TensorProto.INT64),
            node("OneHot", ["c", "depth", "off_on"], "h"),
            node("MatMul", ["h", "w1"], "y"),
        ],
        [PRODUCT, ints("depth", 8), full("off_on", [0.0, 1.0])],
        {"shape": (2,)},
        {"w1"},
    ),
    "normalisation of the input": (
        [
            node("Mul", ["x", "scale"], "a"),
            node("Add", ["a", "shift"], "b"),
            node("Conv", ["b", "w"], "y"),
        ],
        [CONV, full("scale", np.full((1, 3, 1, 1), 0.017)), full("shift", np.full((1, 3, 1, 1), -2.0))],
        {},
        {"w"},
    ),
    "numbers of an activation": (
        [
            node("Conv", ["x", "w"], "c"),
            node("Add", ["c", "act.const.2"], "s"),
            node("Clip", ["s", "zero", "act.const.3"], "t"),
            node("Mul", ["c", "t"], "u"),
            node("Div", ["u", "act.const.3"], "y"),
        ],
        [CONV, full("act.const.2", 3.0), full("zero", 0.0), full("act.const.3", 6.0)],
        {},
        {"w"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_constants_are_no_parameters(name: str) -> None:
    nodes, tensors, options, expected = CASES[name]
    assert set(parameters(read(nodes, tensors, **options))) == expected


def test_statistics_of_a_norm_inside_a_branch() -> None:
    value = helper.make_tensor_value_info
    names = ["s", "b", "m", "v"]
    inside = [node("BatchNormalization", ["x", *names], "t")]
    branch = helper.make_graph(inside, "then", [], [value("t", FLOAT, None)])
    other = helper.make_graph([node("Identity", ["x"], "e")], "else", [], [value("e", FLOAT, None)])
    nodes = [
        node("ReduceMax", ["x"], "r", keepdims=0),
        node("Cast", ["r"], "c", to=TensorProto.BOOL),
        helper.make_node("If", ["c"], ["i"], then_branch=branch, else_branch=other),
        node("Conv", ["i", "w"], "y"),
    ]
    tensors = [CONV, *(bare(name, 3) for name in names)]
    assert set(parameters(read(nodes, tensors))) == {"s", "b", "w"}


def test_learned_tensors_of_other_operators_have_names() -> None:
    nodes = [
        node("GridSample", ["planes.xy", "x"], "g"),
        node("ScatterND", ["mask_token", "i", "g"], "t"),
        node("Conv", ["t", "w"], "y"),
    ]
    tensors = [bare("planes.xy", 1, 3, 8, 8), bare("mask_token", 1, 3, 8, 8), bare("w", 4, 3, 3, 3)]
    graph = read(nodes, [*tensors, full("i", [[0]], int)], shape=(1, 8, 8, 2))
    assert set(parameters(graph)) == {"planes.xy", "mask_token", "w"}


def test_fresh_norms_of_files_whose_names_are_numbers() -> None:
    """torch called every tensor so in 2019; the values (all ones, or none in a stripped file) say nothing."""
    nodes = [node("Conv", ["x", "1"], "6"), node("BatchNormalization", ["6", "2", "3", "4", "5"], "y")]
    tensors = [full("2", np.ones(4)), full("3", np.zeros(4)), bare("4", 4), bare("5", 4)]
    assert set(parameters(read(nodes, [bare("1", 4, 3, 3, 3), *tensors]))) == {"1", "2", "3"}
    bare_tensors = [bare(name, 4) for name in "2345"]
    assert set(parameters(read(nodes, [bare("1", 4, 3, 3, 3), *bare_tensors]))) == {"1", "2", "3"}


def test_made_up_norm_weights_are_no_parameters_whatever_their_values() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("InstanceNormalization", ["c", "val_3", "val_4"], "y")]
    fresh = [full("val_3", np.ones(4)), full("val_4", np.zeros(4))]
    for made_up in (fresh, [bare("val_3", 4), bare("val_4", 4)]):
        assert set(parameters(read(nodes, [CONV, *made_up]))) == {"w"}


@pytest.mark.parametrize(
    "name",
    "val_3 onnx::MatMul_12 /model.22/Constant_12_output_0 12 where where_3 unsqueeze_14 slice_1 expand cos "
    "embedding_1 _to_copy_2 act.const.2 p2o.Constant.7 model/tf.math.multiply/Mul/y:0".split(),
)
def test_names_that_exporters_make_up(name: str) -> None:
    assert is_made_up(name)


@pytest.mark.parametrize(
    "name",
    "fc.weight gamma cls_token embedding conv2d_0.w_0 synthesis.b4.const logit_scale constants.weight "
    "model/dense/BiasAdd/ReadVariableOp:0 mean_layer.bias add_module.weight".split(),
)
def test_names_that_modules_give(name: str) -> None:
    assert not is_made_up(name) and not is_constant_name(name)


@pytest.mark.parametrize("name", "pe pos.pe mel_scale.fb grid_2 model.22.stride a/b/running_mean:0".split())
def test_names_of_constants(name: str) -> None:
    assert is_constant_name(name)
