"""Groups of ONNX nodes that are one operation of ours."""

from __future__ import annotations

import pytest
from onnx import NodeProto, TensorProto

from service.graph_io.attributes import APPROXIMATE
from service.graph_io.operators import Primitive
from service.graph_io.primitives import to_primitives
from tests.graph_io.onnx_models import bare, full, ints, node, ops, owned, parameters, read, the


def number(name: str, value: float) -> TensorProto:
    return full(name, value)


# Activations


@pytest.mark.parametrize("halved_first", [False, True])
def test_gelu_with_erf(halved_first: bool) -> None:
    nodes = [
        node("Div", ["x", "root2"], "a"),
        node("Erf", ["a"], "b"),
        node("Add", ["b", "one"], "c"),
    ]
    if halved_first:
        nodes += [node("Mul", ["x", "half"], "h"), node("Mul", ["h", "c"], "y")]
    else:
        nodes += [node("Mul", ["x", "c"], "d"), node("Mul", ["d", "half"], "y")]
    graph = read(nodes, [number("root2", 2**0.5), number("one", 1.0), number("half", 0.5)])
    assert ops(graph) == ["input", "activation"] and graph.nodes[1].attrs == {"kind": "gelu"}


def test_gelu_with_tanh() -> None:
    nodes = [
        node("Pow", ["x", "three"], "a"),
        node("Mul", ["a", "c"], "b"),
        node("Add", ["x", "b"], "d"),
        node("Mul", ["d", "s"], "e"),
        node("Tanh", ["e"], "f"),
        node("Add", ["f", "one"], "g"),
        node("Mul", ["x", "g"], "h"),
        node("Mul", ["h", "half"], "y"),
    ]
    numbers = {"three": 3.0, "c": 0.044715, "s": 0.79788, "one": 1.0, "half": 0.5}
    graph = read(nodes, [number(*item) for item in numbers.items()])
    assert the(graph, "activation").attrs == {"kind": "gelu", "tanh": True} and len(graph.nodes) == 2


@pytest.mark.parametrize(
    ("gate", "kind"),
    [
        ([node("Sigmoid", ["x"], "g")], "silu"),
        ([node("HardSigmoid", ["x"], "g")], "hardswish"),
        ([node("Softplus", ["x"], "s"), node("Tanh", ["s"], "g")], "mish"),
    ],
)
def test_gated_by_itself(gate: list[NodeProto], kind: str) -> None:
    graph = read([*gate, node("Mul", ["x", "g"], "y")])
    assert ops(graph) == ["input", "activation"] and graph.nodes[1].attrs["kind"] == kind
    # With its default slope of 0.2, ONNX's hard sigmoid is not that of a hard swish.
    assert (APPROXIMATE in graph.nodes[1].attrs) == (kind == "hardswish")


def test_a_gate_that_is_known_to_be_another_function_stays() -> None:
    """A sixth is missing."""
    nodes = [
        node("Add", ["x", "three"], "s"),
        node("Clip", ["s", "zero", "six"], "g"),
        node("Mul", ["x", "g"], "y"),
    ]
    graph = read(nodes, [number("three", 3.0), number("zero", 0.0), number("six", 6.0)])
    assert ops(graph) == ["input", "unary", "activation", "mul"]
    assert all(APPROXIMATE not in part.attrs for part in graph.nodes)


# Norms


def layer_norm_nodes(*, mean: bool = True, axes: str = "axes") -> list[NodeProto]:
    """Written out as PyTorch does for old opsets; without the mean it is an RMS norm."""
    centred = "c" if mean else "x"
    centre = [node("ReduceMean", ["x", axes], "mean"), node("Sub", ["x", "mean"], "c")] if mean else []
    return [
        *centre,
        node("Pow", [centred, "two"], "squared"),
        node("ReduceMean", ["squared", axes], "variance"),
        node("Add", ["variance", "eps"], "safe"),
        node("Sqrt", ["safe"], "root"),
        node("Div", [centred, "root"], "n"),
        node("Mul", ["n", "w"], "scaled"),
        node("Add", ["scaled", "b"], "y"),
    ]


NORM_NUMBERS = [number("two", 2.0), number("eps", 1e-6), ints("axes", -1), ints("channels", 1)]


def test_layer_norm_written_out() -> None:
    graph = read(layer_norm_nodes(), [*NORM_NUMBERS, bare("w", 8), bare("b", 8)], shape=(1, 4, 8))
    norm = the(graph, "layer_norm")
    assert len(graph.nodes) == 2 and owned(norm) == {"weight": ("w", None), "bias": ("b", None)}
    assert norm.attrs["axis"] == -1 and norm.attrs["eps"] == pytest.approx(1e-6)


def test_layer_norm_over_channels() -> None:
    tensors = [*NORM_NUMBERS, bare("w", 3, 1, 1), bare("b", 3, 1, 1)]
    graph = read(layer_norm_nodes(axes="channels"), tensors)
    assert the(graph, "layer_norm").attrs["axis"] == 1


def test_rms_norm_written_out() -> None:
    nodes = layer_norm_nodes(mean=False)[:-1]
    nodes[-1].output[0] = "y"
    graph = read(nodes, [*NORM_NUMBERS, bare("w", 8)], shape=(1, 4, 8))
    assert len(graph.nodes) == 2 and owned(the(graph, "rms_norm")) == {"weight": ("w", None)}


def test_layer_norm_as_tensorflow_writes_it() -> None:
    nodes = [
        node("ReduceMean", ["x", "axes"], "mean"),
        node("Sub", ["x", "mean"], "c"),
        node("Mul", ["c", "c"], "squared"),
        node("ReduceMean", ["squared", "axes"], "variance"),
        node("Add", ["variance", "eps"], "safe"),
        node("Sqrt", ["safe"], "root"),
        node("Reciprocal", ["root"], "inverse"),
        node("Mul", ["inverse", "gamma"], "m"),
        node("Mul", ["x", "m"], "scaled"),
        node("Mul", ["mean", "m"], "moved"),
        node("Sub", ["beta", "moved"], "shift"),
        node("Add", ["scaled", "shift"], "y"),
    ]
    graph = read(nodes, [*NORM_NUMBERS, bare("gamma", 8), bare("beta", 8)], shape=(1, 4, 8))
    assert len(graph.nodes) == 2
    assert owned(the(graph, "layer_norm")) == {"weight": ("gamma", None), "bias": ("beta", None)}


def test_a_norm_of_more_axes_than_anyone_has_is_not_computed() -> None:
    """Its numbers, a few an axis, would fill the memory."""
    shape = (1, *(2,) * 24)
    graph = read(layer_norm_nodes(), [*NORM_NUMBERS, bare("w", 2), bare("b", 2)], shape=shape)
    assert "layer_norm" not in ops(graph)


def test_group_norm_written_out() -> None:
    nodes = [
        node("Reshape", ["x", "grouped"], "a"),
        node("InstanceNormalization", ["a", "onnx::ones", "onnx::zeros"], "b"),
        node("Reshape", ["b", "back"], "c"),
        node("Unsqueeze", ["w", "last"], "w2"),
        node("Unsqueeze", ["v", "last"], "v2"),
        node("Mul", ["c", "w2"], "d"),
        node("Add", ["d", "v2"], "y"),
    ]
    tensors = [
        ints("grouped", 0, 2, -1),
        ints("back", 1, 6, 8, 8),
        ints("last", 1, 2),
        bare("onnx::ones", 2),
        bare("onnx::zeros", 2),
        bare("w", 6),
        bare("v", 6),
    ]
    graph = read(nodes, tensors, shape=(1, 6, 8, 8))
    norm = the(graph, "group_norm")
    assert len(graph.nodes) == 2 and norm.attrs["groups"] == 2
    assert owned(norm) == {"weight": ("w", None), "bias": ("v", None)}


# Attention


def attention_nodes(*, bias: bool = False) -> list[NodeProto]:
    """One linear layer gives q, k and v of two heads."""
    scores = [node("Add", ["scaled", "table3"], "biased")] if bias else []
    table = [
        node("Gather", ["table", "index"], "table1"),
        node("Transpose", ["table1"], "table2", perm=[2, 0, 1]),
        node("Unsqueeze", ["table2", "zero"], "table3"),
    ]
    return [
        node("MatMul", ["x", "qkv.weight"], "a"),
        node("Add", ["qkv.bias", "a"], "b"),
        node("Reshape", ["b", "split"], "c"),
        node("Transpose", ["c"], "d", perm=[2, 0, 3, 1, 4]),
        *(node("Gather", ["d", f"i{index}"], name, axis=0) for index, name in enumerate("qkv")),
        node("Transpose", ["k"], "kt", perm=[0, 1, 3, 2]),
        node("MatMul", ["q", "kt"], "scores"),
        node("Mul", ["scores", "factor"], "scaled"),
        *(table if bias else []),
        *scores,
        node("Softmax", ["biased" if bias else "scaled"], "p", axis=-1),
        node("MatMul", ["p", "v"], "e", name="attention"),
        node("Transpose", ["e"], "f", perm=[0, 2, 1, 3]),
        node("Reshape", ["f", "join"], "g"),
        node("Gemm", ["g", "proj.weight", "proj.bias"], "y", transB=1),
    ]


ATTENTION_TENSORS = [
    bare("qkv.weight", 8, 24),
    bare("qkv.bias", 24),
    ints("split", 1, 4, 3, 2, 4),
    *(full(f"i{index}", index, int) for index in range(3)),
    number("factor", 0.5),
    ints("join", 4, 8),
    bare("proj.weight", 8, 8),
    bare("proj.bias", 8),
    bare("attn.relative_position_bias_table", 9, 2),
    full("index", [[0] * 4] * 4, int),
    ints("zero", 0),
]


def test_attention_is_one_node_behind_its_projection() -> None:
    graph = read(attention_nodes(), ATTENTION_TENSORS, shape=(1, 4, 8))
    attention = the(graph, "attention")
    assert attention.name == "attention" and len(attention.inputs) == 3
    assert attention.attrs == {"heads": 2, "layout": "heads", "keys_transposed": True, "scale": 0.5}
    seen = to_primitives(graph)
    (place,) = (index for index, name in enumerate(seen.names) if name == "attention")
    assert [seen.names[source] for source in seen.predecessors[place]] == ["qkv.bias"]
    assert owned(graph.nodes[1]) == {"weight": ("qkv.weight", (1, 0)), "bias": ("qkv.bias", None)}


def test_relative_positions_are_a_source_of_the_attention() -> None:
    nodes = [
        part
        if "table" not in part.input
        else node("Gather", ["attn.relative_position_bias_table", "index"], "table1")
        for part in attention_nodes(bias=True)
    ]
    graph = read(nodes, ATTENTION_TENSORS, shape=(1, 4, 8))
    table = the(graph, "relative_position")
    assert owned(table) == {"weight": ("attn.relative_position_bias_table", None)}
    assert table.name in the(graph, "attention").inputs
    assert Primitive.MSA in [Primitive(value) for value in to_primitives(graph).primitive_N]


def test_separate_projections_stay_three_inputs() -> None:
    nodes = [
        *(node("MatMul", ["x", f"w{name}"], name) for name in "qkv"),
        node("Transpose", ["k"], "kt", perm=[0, 2, 1]),
        node("MatMul", ["q", "kt"], "s"),
        node("Softmax", ["s"], "p"),
        node("MatMul", ["p", "v"], "y"),
    ]
    graph = read(nodes, [bare(f"w{name}", 8, 8) for name in "qkv"], shape=(1, 4, 8))
    assert ops(graph) == ["input", "linear", "linear", "linear", "permute", "attention"]
    queries, _, values = (part.name for part in graph.nodes[1:4])
    assert the(graph, "attention").inputs == (queries, the(graph, "permute").name, values)


def test_a_mask_is_one_more_input() -> None:
    nodes = [
        node("MatMul", ["x", "wq"], "q"),
        node("Transpose", ["x"], "xt", perm=[0, 2, 1]),
        node("MatMul", ["q", "xt"], "s"),
        node("ReduceMax", ["x"], "m"),
        node("Add", ["s", "m"], "s2"),
        node("Softmax", ["s2"], "p"),
        node("MatMul", ["p", "x"], "y"),
    ]
    graph = read(nodes, [bare("wq", 8, 8)], shape=(1, 4, 8))
    assert len(the(graph, "attention").inputs) == 4


# Gates


@pytest.mark.parametrize(
    "squash",
    [
        [node("Sigmoid", ["e"], "g")],
        [node("HardSigmoid", ["e"], "g")],
        [
            node("Add", ["e", "three"], "s"),
            node("Clip", ["s", "zero", "six"], "t"),
            node("Div", ["t", "six"], "g"),
        ],
    ],
)
@pytest.mark.parametrize(
    "pool", [node("GlobalAveragePool", ["x"], "a"), node("ReduceMean", ["x", "hw"], "a")]
)
def test_squeeze_and_excite(pool: NodeProto, squash: list[NodeProto]) -> None:
    nodes = [
        pool,
        node("Conv", ["a", "w1"], "b"),
        node("Relu", ["b"], "d"),
        node("Conv", ["d", "w2"], "e"),
        *squash,
        node("Mul", ["g", "x"], "y"),
    ]
    tensors = [
        bare("w1", 2, 3, 1, 1),
        bare("w2", 3, 2, 1, 1),
        ints("hw", 2, 3),
        number("three", 3.0),
        number("zero", 0.0),
        number("six", 6.0),
    ]
    graph = read(nodes, tensors)
    gate = the(graph, "channel_gate")
    assert gate.inputs[0] == "x" and ops(graph).count("global_avg_pool") == 1 and ops(graph).count("mul") == 0


def test_a_gate_for_every_position_is_a_product() -> None:
    nodes = [node("Conv", ["x", "w"], "a"), node("Sigmoid", ["a"], "g"), node("Mul", ["x", "g"], "y")]
    assert "mul" in ops(read(nodes, [bare("w", 3, 3, 1, 1)]))


# Pools


@pytest.mark.parametrize(
    ("pool", "kind"),
    [
        (node("ReduceMean", ["x", "hw"], "y"), "global_avg_pool"),
        (node("ReduceMean", ["x", "channel"], "y"), "unary"),
        (node("AveragePool", ["x"], "y", kernel_shape=[8, 8]), "global_avg_pool"),
        (node("AveragePool", ["x"], "y", kernel_shape=[1, 1]), "global_avg_pool"),
        (node("AveragePool", ["x"], "y", kernel_shape=[2, 2]), "avg_pool"),
    ],
)
def test_what_is_global_pooling(pool: NodeProto, kind: str) -> None:
    assert ops(read([pool], [ints("hw", -2, -1), ints("channel", 1)])) == ["input", kind]


def test_bias_is_not_taken_along_another_axis() -> None:
    graph = read(
        [node("Conv", ["x", "w"], "a"), node("Add", ["a", "b"], "y")], [bare("w", 8, 3, 1, 1), bare("b", 8)]
    )
    assert ops(graph) == ["input", "conv", "bias"] and set(parameters(graph)) == {"w", "b"}
