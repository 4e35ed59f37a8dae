"""Every way in which a file may hold a weight, and every layer that takes one."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from service.errors import InvalidArchitecture, UnsupportedOperator
from service.graph_io.digest import graph_digest
from service.graph_io.onnx_reader import read_onnx
from service.graph_io.operators import Primitive
from service.graph_io.primitives import to_primitives
from tests.graph_io.onnx_models import (
    FLOAT,
    INT64,
    bare,
    full,
    ints,
    model,
    node,
    ops,
    owned,
    parameters,
    read,
    small_resnet,
    the,
)

CONV = node("Conv", ["x", "w"], "y", kernel_shape=[3, 3])


def test_a_small_network() -> None:
    graph = read_onnx(small_resnet().SerializeToString())
    assert ops(graph) == [
        "input", "conv", "batch_norm", "activation", "conv", "add", "global_avg_pool", "flatten", "linear",
    ]  # fmt: skip
    assert graph.input_shape == (3, 8, 8)
    assert set(parameters(graph)) == {
        "conv1.weight", "bn1.weight", "bn1.bias", "conv2.weight", "conv2.bias", "fc.weight", "fc.bias",
    }  # fmt: skip
    grouped = graph.nodes[4]
    assert grouped.attrs == {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 2}
    assert graph.outputs == (graph.nodes[-1].name,)
    kinds = [Primitive(value) for value in to_primitives(graph).primitive_N]
    assert kinds.count(Primitive.SEP_CONV) == 1 and kinds.count(Primitive.BN) == 1


def test_node_order_in_the_file_does_not_matter() -> None:
    proto = small_resnet()
    digest = graph_digest(read_onnx(proto.SerializeToString()))
    nodes = [onnx.NodeProto.FromString(part.SerializeToString()) for part in reversed(proto.graph.node)]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    assert graph_digest(read_onnx(proto.SerializeToString())) == digest


# How a file may hold a weight


def test_initializer_without_values_and_external() -> None:
    external = bare("w", 4, 3, 3, 3)
    external.data_location = TensorProto.EXTERNAL
    external.external_data.add(key="location", value="/etc/passwd")
    for tensor in (bare("w", 4, 3, 3, 3), external, full("w", [[[[0.0] * 3] * 3] * 3] * 4)):
        assert parameters(read([CONV], [tensor])) == {"w": (4, 3, 3, 3)}


def test_constant_node() -> None:
    constant = helper.make_node("Constant", [], ["w"], value=bare("", 4, 3, 3, 3))
    assert parameters(read([constant, CONV])) == {"w": (4, 3, 3, 3)}


def test_constant_of_shape_node() -> None:
    filled = node("ConstantOfShape", ["shape"], "w")
    assert parameters(read([filled, CONV], [ints("shape", 4, 3, 3, 3)])) == {"w": (4, 3, 3, 3)}


def test_graph_input_without_values_is_a_weight() -> None:
    inputs = [helper.make_tensor_value_info("w", FLOAT, [4, 3, 3, 3])]
    graph = read([CONV], inputs=inputs)
    assert parameters(graph) == {"w": (4, 3, 3, 3)}
    assert [part.name for part in graph.nodes if part.op == "input"] == ["x"]


def test_weights_listed_before_the_input_of_a_file_without_values() -> None:
    nodes = [node("Conv", ["x", "w"], "a"), node("Mul", ["a", "gamma"], "b"), node("Gemm", ["b", "fc"], "y")]
    proto = model(nodes)
    x = proto.graph.input.pop()
    shapes = {"w": [4, 3, 1, 1], "gamma": [4, 1, 1], "fc": [4, 2]}
    proto.graph.input.extend(
        helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in shapes.items()
    )
    proto.graph.input.insert(1, x)
    graph = read_onnx(proto.SerializeToString())
    assert parameters(graph) == {"w": (4, 3, 1, 1), "gamma": (4, 1, 1), "fc": (4, 2)}
    assert graph.input_shape == (3, 8, 8)


def test_identity_of_a_merged_tensor_is_a_parameter_of_its_own() -> None:
    nodes = [
        node("Identity", ["bn1.weight"], "bn2.weight"),
        node("BatchNormalization", ["x", "bn1.weight", "b1", "m", "v"], "a"),
        node("BatchNormalization", ["a", "bn2.weight", "b1", "m", "v"], "y"),
    ]
    graph = read(nodes, [bare(name, 3) for name in ("bn1.weight", "b1", "m", "v")])
    assert list(parameters(graph)) == ["bn1.weight", "b1", "bn2.weight"]


def test_views_keep_the_stored_shape_and_say_how_it_is_used() -> None:
    nodes = [
        node("Transpose", ["w"], "turned", perm=[1, 0]),
        node("MatMul", ["x", "turned"], "a"),
        node("Unsqueeze", ["v", "axes"], "wide"),
        node("Unsqueeze", ["a", "axes"], "image"),
        node("Conv", ["image", "wide"], "y"),
    ]
    graph = read(nodes, [bare("w", 6, 8), bare("v", 5, 3, 1), ints("axes", 3)], shape=(1, 3, 8))
    assert owned(the(graph, "linear")) == {"weight": ("w", None)}
    assert owned(the(graph, "conv")) == {"weight": ("v", None)}


def test_cast_and_dequantised_weights() -> None:
    nodes = [
        node("DequantizeLinear", ["w8", "scale", "zero"], "w", axis=0),
        node("Cast", ["w"], "w32", to=FLOAT),
        node("Conv", ["x", "w32"], "y"),
    ]
    tensors = [
        bare("w8", 4, 3, 3, 3, data_type=TensorProto.INT8),
        full("scale", [1.0] * 4),
        bare("zero", 4, data_type=TensorProto.INT8),
    ]
    assert parameters(read(nodes, tensors)) == {"w8": (4, 3, 3, 3)}


def test_a_computed_weight_belongs_to_its_layer() -> None:
    """Weight normalisation: g * v / |v|."""
    nodes = [
        node("ReduceL2", ["v", "axes"], "norm"),
        node("Div", ["v", "norm"], "unit"),
        node("Mul", ["unit", "g"], "w"),
        node("Conv", ["x", "w"], "y"),
    ]
    graph = read(nodes, [bare("v", 4, 3, 3, 3), bare("g", 4, 1, 1, 1), ints("axes", 1, 2, 3)])
    assert ops(graph) == ["input", "conv", "parameter"]
    assert parameters(graph) == {"v": (4, 3, 3, 3), "g": (4, 1, 1, 1)}


def test_a_fixed_filter_of_no_parameter_is_none() -> None:
    graph = read([node("Conv", ["x", "blur.filt"], "y", group=3)], [bare("blur.filt", 3, 1, 3, 3)])
    assert ops(graph) == ["input", "unary"]


# Layers


def test_matmul_and_add_are_a_linear_layer() -> None:
    graph = read(
        [node("MatMul", ["x", "w"], "a", name="fc"), node("Add", ["bias", "a"], "y")],
        [bare("w", 8, 5), bare("bias", 5)],
    )
    layer = the(graph, "linear")
    assert layer.name == "fc" and owned(layer) == {"weight": ("w", (1, 0)), "bias": ("bias", None)}


@pytest.mark.parametrize(("trans", "shape", "axes"), [(1, (5, 8), None), (0, (8, 5), (1, 0))])
def test_gemm(trans: int, shape: tuple[int, ...], axes: tuple[int, int] | None) -> None:
    graph = read(
        [node("Gemm", ["x", "w", "b"], "y", transB=trans)], [bare("w", *shape), bare("b", 5)], shape=(1, 8)
    )
    assert owned(the(graph, "linear")) == {"weight": ("w", axes), "bias": ("b", None)}


def test_einsum_is_a_linear_layer() -> None:
    graph = read(
        [node("Einsum", ["x", "w"], "y", equation="bnd,de->bne")], [bare("w", 8, 5)], shape=(1, 4, 8)
    )
    assert owned(the(graph, "linear")) == {"weight": ("w", (1, 0))}


def test_flattened_convolution_weight_of_a_classifier() -> None:
    """The old MNIST model stores its last layer as (in, height, width, out)."""
    nodes = [
        node("Reshape", ["w", "flat"], "w2"),
        node("Flatten", ["x"], "a"),
        node("MatMul", ["a", "w2"], "y"),
    ]
    graph = read(nodes, [bare("w", 3, 8, 8, 10), ints("flat", 192, 10)])
    assert owned(the(graph, "conv")) == {"weight": ("w", (3, 0, 1, 2))}


def test_transposed_convolution() -> None:
    graph = read(
        [node("ConvTranspose", ["x", "w", "b"], "y", strides=[2, 2])], [bare("w", 3, 6, 2, 2), bare("b", 6)]
    )
    layer = the(graph, "conv_transpose")
    assert owned(layer) == {"weight": ("w", (1, 0, 2, 3)), "bias": ("b", None)}
    assert layer.attrs["stride"] == (2, 2)


def test_padding_on_one_side() -> None:
    graph = read(
        [node("Conv", ["x", "w"], "y", auto_pad="SAME_UPPER", strides=[2, 2])], [bare("w", 4, 3, 3, 3)]
    )
    assert the(graph, "conv").attrs["padding"] == (0, 0)
    assert the(graph, "conv").attrs["padding_end"] == (1, 1)


def test_batch_norm_without_learned_parameters() -> None:
    tensors = [full("onnx::ones", [1.0] * 3), full("onnx::zeros", [0.0] * 3), bare("m", 3), bare("v", 3)]
    graph = read([node("BatchNormalization", ["x", "onnx::ones", "onnx::zeros", "m", "v"], "y")], tensors)
    assert ops(graph) == ["input", "batch_norm"] and not parameters(graph)


def test_batch_norm_in_training_mode() -> None:
    nodes = [node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y", "m2", "v2"], training_mode=1)]
    graph = read(nodes, [bare(name, 3) for name in "sbmv"])
    assert owned(the(graph, "batch_norm")) == {"weight": ("s", None), "bias": ("b", None)}


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_recurrent(op: str) -> None:
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    tensors = [bare("w", 1, gates * 6, 8), bare("r", 1, gates * 6, 6), bare("b", 1, 2 * gates * 6)]
    graph = read([node(op, ["x", "w", "r", "b"], ["y"], hidden_size=6)], tensors, shape=(4, 1, 8))
    assert set(owned(the(graph, "recurrent"))) == {"weight", "recurrent_weight", "bias"}


def test_recurrent_weights_joined_from_the_exporter_s_pieces() -> None:
    nodes = [
        node("Unsqueeze", ["rnn.weight_ih", "zero"], "w"),
        node("Unsqueeze", ["rnn.weight_hh", "zero"], "r"),
        node("Concat", ["rnn.bias_ih", "rnn.bias_hh"], "b0", axis=0),
        node("Unsqueeze", ["b0", "zero"], "b"),
        node("GRU", ["x", "w", "r", "b"], ["y"], hidden_size=6),
    ]
    tensors = [
        bare("rnn.weight_ih", 18, 8),
        bare("rnn.weight_hh", 18, 6),
        bare("rnn.bias_ih", 18),
        bare("rnn.bias_hh", 18),
        ints("zero", 0),
    ]
    graph = read(nodes, tensors, shape=(4, 1, 8))
    assert set(parameters(graph)) == {"rnn.weight_ih", "rnn.weight_hh", "rnn.bias_ih", "rnn.bias_hh"}


def test_embedding() -> None:
    graph = read(
        [node("Cast", ["x"], "i", to=INT64), node("Gather", ["table", "i"], "y")], [bare("table", 100, 16)]
    )
    assert owned(the(graph, "embedding")) == {"weight": ("table", None)}


def test_class_token_position_and_layer_scale() -> None:
    nodes = [
        node("Expand", ["cls", "shape"], "token"),
        node("Concat", ["token", "x"], "a", axis=1),
        node("Add", ["a", "pos"], "b"),
        node("MatMul", ["b", "w"], "c"),
        node("Mul", ["c", "gamma"], "d"),
        node("Mul", ["d", "gain"], "y"),
    ]
    tensors = [
        bare("cls", 1, 1, 8),
        bare("pos", 1, 5, 8),
        bare("gamma", 8),
        bare("gain", 8),
        bare("w", 8, 8),
        ints("shape", 1, 1, 8),
    ]
    graph = read(nodes, tensors, shape=(1, 4, 8))
    assert ops(graph) == ["input", "class_token", "concat", "position", "linear", "layer_scale", "parameter"]
    assert set(parameters(graph)) == {"cls", "pos", "gamma", "gain", "w"}


def test_prelu_slope_is_a_parameter() -> None:
    graph = read([node("PRelu", ["x", "a"], "y")], [bare("a", 3, 1, 1)])
    assert owned(the(graph, "parameter")) == {"slope": ("a", None)}


def test_learned_queries_go_through_layers_of_their_own() -> None:
    nodes = [
        node("MatMul", ["latent", "wq"], "q"),
        node("MatMul", ["x", "wk"], "k"),
        node("Transpose", ["k"], "kt", perm=[0, 2, 1]),
        node("MatMul", ["q", "kt"], "scores"),
        node("Softmax", ["scores"], "p"),
        node("MatMul", ["p", "k"], "y"),
    ]
    graph = read(nodes, [bare("latent", 1, 2, 8), bare("wq", 8, 8), bare("wk", 8, 8)], shape=(1, 4, 8))
    assert set(parameters(graph)) == {"latent", "wq", "wk"}
    assert ops(graph).count("linear") == 2 and ops(graph).count("attention") == 1


def test_anchors_and_plain_numbers_are_no_parameters() -> None:
    anchors = helper.make_node("Constant", [], ["anchors"], value=bare("", 1, 64, 2))
    half = helper.make_node("Constant", [], ["half"], value=full("", 0.5))
    nodes = [anchors, half, CONV, node("Mul", ["y", "half"], "a"), node("Add", ["a", "anchors"], "z")]
    assert parameters(read(nodes, [bare("w", 4, 3, 3, 3)], outputs=("z",))) == {"w": (4, 3, 3, 3)}


def test_what_the_exporter_says_decides() -> None:
    nodes = [node("Add", ["x", "a"], "b"), node("Mul", ["b", "m"], "c"), node("Conv", ["c", "w"], "y")]
    proto = model(nodes, [bare("a", 3, 8, 8), bare("m", 3, 8, 8), bare("w", 4, 3, 3, 3)])
    for name, kind in (("a", "BUFFER"), ("m", "PARAMETER")):
        info = proto.graph.value_info.add(name=name)
        info.metadata_props.add(key="pkg.torch.export.graph_signature.InputSpec.kind", value=kind)
    assert set(parameters(read_onnx(proto.SerializeToString()))) == {"m", "w"}


# Structure


def test_shape_arithmetic_leaves_no_nodes() -> None:
    nodes = [
        node("Shape", ["x"], "s"),
        node("Gather", ["s", "zero"], "n"),
        node("Unsqueeze", ["n", "zero1"], "n1"),
        node("Concat", ["n1", "minus"], "target", axis=0),
        node("Reshape", ["x", "target"], "a"),
        node("Gemm", ["a", "w"], "y"),
    ]
    tensors = [full("zero", 0, int), ints("zero1", 0), ints("minus", -1), bare("w", 192, 10)]
    graph = read(nodes, tensors)
    assert ops(graph) == ["input", "flatten", "linear"]


def test_dead_nodes_without_parameters_go_silently_others_are_reported() -> None:
    used = node("Relu", ["x"], "y")
    assert ops(read([used, node("Sigmoid", ["x"], "dead")])) == ["input", "activation"]
    with pytest.raises(InvalidArchitecture) as caught:
        read([used, node("Conv", ["x", "w"], "dead", name="lost")], [bare("w", 4, 3, 3, 3)])
    assert caught.value.extra["node"] == "lost"


def test_cycle_is_named() -> None:
    with pytest.raises(InvalidArchitecture, match="cycle") as caught:
        read(
            [
                node("Add", ["x", "b"], "a", name="one"),
                node("Relu", ["a"], "b", name="two"),
                node("Relu", ["b"], "y"),
            ]
        )
    assert caught.value.extra["node"] in ("one", "two")


def test_subgraphs_become_one_node_with_what_they_capture() -> None:
    value = helper.make_tensor_value_info
    branch = helper.make_graph([node("Gemm", ["x", "w"], "t")], "then", [], [value("t", FLOAT, None)])
    other = helper.make_graph(
        [node("MatMul", ["x", "inner"], "e")], "else", [], [value("e", FLOAT, None)], [bare("inner", 8, 8)]
    )
    nodes = [
        node("ReduceMax", ["x"], "m", keepdims=0),
        node("Cast", ["m"], "c", to=TensorProto.BOOL),
        helper.make_node("If", ["c"], ["y"], name="branch", then_branch=branch, else_branch=other),
    ]
    graph = read(nodes, [bare("w", 8, 8)], shape=(1, 8))
    assert set(parameters(graph)) == {"w", "inner"} and graph.nodes[-1].name == "branch"


def test_local_functions_are_inlined_with_their_attributes() -> None:
    body = [
        helper.make_node("Conv", ["a", "k"], ["c"]),
        helper.make_node("LeakyRelu", ["c"], ["b"]),
    ]
    reference = body[1].attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT)
    reference.ref_attr_name = "slope"
    imports = [helper.make_opsetid("", 18)]
    function = helper.make_function("local", "Block", ["a", "k"], ["b"], body, imports, ["slope"])
    nodes = [
        helper.make_node("Block", ["x", "w1"], ["h"], name="one", domain="local", slope=0.1),
        helper.make_node("Block", ["h", "w2"], ["y"], name="two", domain="local", slope=0.2),
    ]
    graph = read(nodes, [bare("w1", 4, 3, 3, 3), bare("w2", 4, 4, 3, 3)], functions=[function])
    assert ops(graph) == ["input", "conv", "activation", "conv", "activation"]
    assert list(parameters(graph)) == ["w1", "w2"]


def test_custom_operators_are_refused_by_name() -> None:
    custom = helper.make_node("Decode", ["x"], ["y"], name="pre", domain="com.example")
    with pytest.raises(UnsupportedOperator) as caught:
        read([custom])
    assert caught.value.extra["operator"] == "com.example::Decode" and caught.value.extra["node"] == "pre"
    with pytest.raises(UnsupportedOperator, match="NoSuchThing"):
        read([node("NoSuchThing", ["x"], "y")])


def _standard_schemas() -> list[onnx.defs.OpSchema]:
    schemas = {(s.domain, s.name): s for s in onnx.defs.get_all_schemas() if s.domain in ("", "ai.onnx.ml")}
    return [schema for schema in schemas.values() if schema.max_input > 0]


@pytest.mark.parametrize("schema", _standard_schemas(), ids=lambda schema: f"{schema.domain}:{schema.name}")
def test_every_standard_operator_is_taken(schema: onnx.defs.OpSchema) -> None:
    count = max(1, schema.min_input)
    outputs = [f"o{index}" for index in range(max(1, schema.min_output))]
    tested = helper.make_node(schema.name, ["x"] * count, outputs, name="tested", domain=schema.domain)
    graph = read([tested, node("Relu", ["x"], "y")], outputs=("y", "o0"))
    assert graph.nodes[0].op == "input"
