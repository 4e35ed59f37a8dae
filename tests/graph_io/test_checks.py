"""Everything that is no network is refused, and the error names the node."""

from __future__ import annotations

import pytest

from service.errors import InvalidArchitecture, LimitExceeded, UnsupportedOperator
from service.graph_io.archgraph import Node, Parameter
from service.graph_io.checks import build_graph
from service.graph_io.limits import GraphLimits

X = Node("x", "input")


def linear(name: str, source: str, out: int = 4, inp: int = 4) -> Node:
    return Node(name, "linear", (source,), (Parameter(f"{name}.weight", (out, inp)),))


def test_sorts_and_finds_outputs() -> None:
    graph = build_graph([linear("b", "a"), linear("a", "x"), X])
    assert [node.name for node in graph.nodes] == ["x", "a", "b"]
    assert graph.outputs == ("b",)
    assert graph.num_parameters == 32


def test_a_tied_parameter_counts_once() -> None:
    shared = Parameter("w", (4, 4))
    graph = build_graph([X, Node("a", "linear", ("x",), (shared,)), Node("b", "linear", ("a",), (shared,))])
    assert [p.name for p in graph.parameters()] == ["w"]


@pytest.mark.parametrize(
    ("nodes", "message", "node"),
    [
        ([], "no nodes", None),
        ([linear("a", "a")], "cycle: a -> a", "a"),
        ([X, linear("a", "c"), linear("b", "a"), linear("c", "b")], "cycle: .* -> ", None),
        ([X, linear("a", "nowhere")], "'nowhere', which does not exist", "a"),
        ([X, X], "Two nodes are named 'x'", "x"),
        ([X, Node("a", "linear", ("x",))], "has no weight", "a"),
        ([X, Node("a", "linear", ("x",), (Parameter("w", (4, 4, 4)),))], "needs 2 axes", "a"),
        ([X, Node("a", "conv", ("x",), (Parameter("w", (4, 4)),))], "needs 3 to 5 axes", "a"),
        ([X, Node("a", "activation", ("x",), (Parameter("w", (4,)),))], "role 'weight'", "a"),
        ([X, Node("a", "activation", ())], "0 inputs, expected 1", "a"),
        ([X, Node("a", "channel_gate", ("x", "x", "x"))], "3 inputs, expected 2", "a"),
        ([X, Node("a", "concat", ())], "0 inputs, expected 1 or more", "a"),
        ([X, linear("a", "x"), Node("c", "constant"), linear("d", "c")], "does not depend", None),
        ([X, linear("a", "x", 0)], r"\[0, 4\]; every dimension", None),
        ([X, linear("a", "x", -3)], "every dimension", None),
        ([X, Node("a\n", "activation", ("x",))], "control characters", None),
        ([X, Node("a", "linear", ("x",), (Parameter("w", (4, 4), axes=(0, 0)),))], "do not permute", "a"),
        (
            [X, Node("a", "linear", ("x",), (Parameter("w", (4, 4)), Parameter("b", (5,), "bias")))],
            "bias of node 'a' has 5 values",
            "a",
        ),
        (
            [X, linear("a", "x"), Node("b", "linear", ("a",), (Parameter("a.weight", (2, 2)),))],
            "two shapes",
            None,
        ),
    ],
)
def test_refusals_name_the_node(nodes: list[Node], message: str, node: str | None) -> None:
    with pytest.raises(InvalidArchitecture, match=message) as caught:
        build_graph(nodes)
    if node is not None:
        assert caught.value.extra["node"] == node
    assert caught.value.problem()["status"] == 422


def test_unknown_operators_and_outputs() -> None:
    with pytest.raises(UnsupportedOperator, match="'convolve'") as caught:
        build_graph([X, Node("a", "convolve", ("x",))])
    assert "conv" in caught.value.extra["hint"]
    with pytest.raises(InvalidArchitecture, match="'z' is not a node"):
        build_graph([X, linear("a", "x")], outputs=["z"])
    with pytest.raises(InvalidArchitecture, match=r"'b' .* does not reach an output"):
        build_graph([X, linear("a", "x"), linear("b", "x")], outputs=["a"])
    with pytest.raises(InvalidArchitecture, match="no input node"):
        build_graph([Node("c", "constant"), linear("a", "c")])


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (GraphLimits(max_nodes=1), 1),
        (GraphLimits(max_edges=0), 0),
        (GraphLimits(max_parameters=15), 15),
        (GraphLimits(max_dim=3), 3),
        (GraphLimits(max_rank=1), 1),
    ],
)
def test_limits_quote_limit_and_value(limits: GraphLimits, limit: int) -> None:
    with pytest.raises(LimitExceeded) as caught:
        build_graph([X, linear("a", "x")], limits=limits)
    assert caught.value.extra["limit"] == limit
    assert caught.value.extra["value"] > limit


def test_huge_declared_sizes_allocate_nothing() -> None:
    with pytest.raises(LimitExceeded):
        build_graph([X, linear("a", "x", 2**20, 2**20)])


def test_deep_chains_do_not_recurse() -> None:
    nodes = [X, *(Node(f"r{i}", "activation", (f"r{i - 1}" if i else "x",)) for i in range(15_000))]
    assert len(build_graph(nodes[::-1]).nodes) == 15_001
