"""Random networks for property tests: every operator of the table can appear, edges only go forwards."""

from __future__ import annotations

from hypothesis import strategies as st

from service.graph_io.archgraph import ArchGraph, AttrValue, Node, Parameter
from service.graph_io.checks import build_graph
from service.graph_io.node_attributes import rows_of
from service.graph_io.operators import OPERATORS

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

_VALUES: dict[str, st.SearchStrategy[AttrValue]] = {
    "flag": st.booleans(),
    "integer": st.integers(-5, 5),
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5),
    "text": st.sampled_from(["gelu", "mean", ""]),
    "axes": st.integers(0, 9) | st.lists(st.integers(0, 9), max_size=4).map(tuple),
    "integers": st.lists(st.integers(0, 9), max_size=4).map(tuple),
    "numbers": st.lists(st.floats(-2, 2), min_size=1, max_size=3).map(tuple),
}


def attributes(op: str, inputs: int = 1) -> st.SearchStrategy[dict[str, AttrValue]]:
    """Some of the attributes that an operator has, with values of their kinds."""
    rows = rows_of(Node("", op, ("",) * inputs)) or {row.name: row for row in OPERATORS[op].attributes}
    # Parts must fit the sources of the node.
    each = {
        name: st.none() | _VALUES[row.kind] for name, row in rows.items() if name not in ("kind", "parts")
    }
    return st.fixed_dictionaries({}, optional=each)


def node_with_parameters(draw: st.DrawFn, name: str, source: str, op: str, cell: int | None) -> Node:
    out, width = draw(sizes), draw(sizes)
    shapes = {
        "conv": ((out, width, 3, 3), (out,)),
        "linear": ((out, width), (out,)),
        "batch_norm": ((out,), (out,)),
        "layer_norm": ((out,), (out,)),
    }
    weight_shape, bias_shape = shapes[op]
    trainable = draw(st.booleans())
    weight = Parameter(f"{name}.weight", weight_shape, trainable=trainable)
    if op == "linear" and draw(st.booleans()):
        weight = Parameter(f"{name}.weight", weight_shape[::-1], "weight", (1, 0), trainable)
    bias = (Parameter(f"{name}.bias", bias_shape, "bias"),) if draw(st.booleans()) else ()
    return Node(name, op, (source,), (weight, *bias), draw(attributes(op)), cell)


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
            op = draw(st.sampled_from(WITHOUT_PARAMS))
            nodes.append(Node(name, op, (source,), (), draw(attributes(op)), cell))
        elif kind == "join":
            sources = tuple(draw(st.lists(st.sampled_from(earlier), min_size=1, max_size=3)))
            op = draw(st.sampled_from(JOINING))
            nodes.append(Node(name, op, sources, (), draw(attributes(op, len(sources))), cell))
        else:
            op = draw(st.sampled_from(["conv", "linear", "batch_norm", "layer_norm"]))
            nodes.append(node_with_parameters(draw, name, draw(st.sampled_from(earlier)), op, cell))
    spare = (Parameter("spare.weight", (draw(sizes),), "weight"),) if draw(st.booleans()) else ()
    input_shape = tuple(draw(st.lists(sizes, max_size=3)))
    return build_graph(
        nodes, input_shape=input_shape, name=draw(st.sampled_from(["", "net"])), unattached=spare
    )
