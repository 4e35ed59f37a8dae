"""Random networks for property tests: every operator of the table can appear, edges only go forwards."""

from __future__ import annotations

from hypothesis import strategies as st

from service.graph_io.archgraph import ArchGraph, AttrValue, Node, Parameter
from service.graph_io.checks import build_graph

WITHOUT_PARAMS = (
    "activation",
    "max_pool",
    "avg_pool",
    "global_avg_pool",
    "softmax",
    "identity",
    "unary",
    "flatten",
)
JOINING = ("add", "concat", "mul", "matmul", "merge")
sizes = st.integers(1, 32)

attr_values: st.SearchStrategy[AttrValue] = (
    st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["relu", "gelu", ""])
    | st.lists(st.integers(0, 9), max_size=4).map(tuple)
    | st.lists(st.floats(-2, 2), min_size=1, max_size=3).map(tuple)
    | st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2).map(tuple)
    | st.none()
)
attributes = st.dictionaries(
    st.sampled_from(["stride", "padding", "kernel_size", "kind", "axis", "eps", "note"]),
    attr_values,
    max_size=3,
)


def node_with_parameters(draw: st.DrawFn, name: str, source: str, op: str, cell: int | None) -> Node:
    out, width = draw(sizes), draw(sizes)
    shapes = {
        "conv": ((out, width, 3, 3), (out,)),
        "linear": ((out, width), (out,)),
        "batch_norm": ((out,), (out,)),
        "layer_norm": ((out,), (out,)),
    }
    weight_shape, bias_shape = shapes[op]
    weight = Parameter(f"{name}.weight", weight_shape)
    if op == "linear" and draw(st.booleans()):
        weight = Parameter(f"{name}.weight", weight_shape[::-1], "weight", (1, 0))
    bias = (Parameter(f"{name}.bias", bias_shape, "bias"),) if draw(st.booleans()) else ()
    return Node(name, op, (source,), (weight, *bias), draw(attributes), cell)


@st.composite
def graphs(draw: st.DrawFn, max_nodes: int = 12) -> ArchGraph:
    """A checked network of up to `max_nodes` operators; all of it is reachable and reaches an output."""
    nodes = [Node("in", "input")]
    for index in range(draw(st.integers(1, max_nodes))):
        name = f"layer{index}"
        cell = draw(st.none() | st.integers(0, 3))
        earlier = [node.name for node in nodes]
        kind = draw(st.sampled_from(["plain", "join", "parameters"]))
        if kind == "plain":
            source = draw(st.sampled_from(earlier))
            nodes.append(
                Node(name, draw(st.sampled_from(WITHOUT_PARAMS)), (source,), (), draw(attributes), cell)
            )
        elif kind == "join":
            sources = tuple(draw(st.lists(st.sampled_from(earlier), min_size=1, max_size=3)))
            nodes.append(Node(name, draw(st.sampled_from(JOINING)), sources, (), draw(attributes), cell))
        else:
            op = draw(st.sampled_from(["conv", "linear", "batch_norm", "layer_norm"]))
            nodes.append(node_with_parameters(draw, name, draw(st.sampled_from(earlier)), op, cell))
    spare = (Parameter("spare.weight", (draw(sizes),), "weight"),) if draw(st.booleans()) else ()
    input_shape = tuple(draw(st.lists(sizes, max_size=3)))
    return build_graph(
        nodes, input_shape=input_shape, name=draw(st.sampled_from(["", "net"])), unattached=spare
    )
