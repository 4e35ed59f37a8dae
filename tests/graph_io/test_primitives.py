"""Filtering and rewiring: what a GHN sees of a network."""

from __future__ import annotations

import pytest

from service.errors import InvalidArchitecture
from service.graph_io.archgraph import ArchGraph, Node, Parameter
from service.graph_io.checks import build_graph
from service.graph_io.operators import OPERATORS, Primitive
from service.graph_io.primitives import Decoding, PrimitiveGraph, to_primitives


def conv(
    name: str, source: str, *, bias: bool = False, shape: tuple[int, ...] = (8, 8, 3, 3), **attrs: int
) -> Node:
    params = [Parameter(f"{name}.weight", shape)]
    if bias:
        params.append(Parameter(f"{name}.bias", (shape[0],), "bias"))
    return Node(name, "conv", (source,), tuple(params), attrs)


def graph_of(*nodes: Node) -> ArchGraph:
    return build_graph([Node("x", "input"), *nodes])


def edges(graph: PrimitiveGraph) -> set[tuple[str, str]]:
    return {(graph.names[s], graph.names[t]) for t, sources in enumerate(graph.predecessors) for s in sources}


def test_a_residual_block() -> None:
    graph = to_primitives(
        graph_of(
            conv("c1", "x", bias=True),
            Node("relu", "activation", ("c1",)),
            conv("c2", "relu"),
            Node(
                "bn",
                "batch_norm",
                ("c2",),
                (Parameter("bn.weight", (8,)), Parameter("bn.bias", (8,), "bias")),
            ),
            Node("sum", "add", ("bn", "c1")),
            Node("relu2", "activation", ("sum",)),
            conv("head", "relu2", bias=True, shape=(10, 8, 1, 1)),
        )
    )
    assert [Primitive(p).name for p in graph.primitive_N] == "INPUT CONV BIAS CONV BN SUM CONV BIAS".split()
    assert edges(graph) == {
        ("x", "c1.weight"), ("c1.weight", "c1.bias"), ("c1.bias", "c2.weight"), ("c2.weight", "bn.weight"),
        ("bn.weight", "sum"), ("c1.bias", "sum"), ("sum", "head.weight"), ("head.weight", "head.bias"),
    }  # fmt: skip
    decodings = {target.parameter.name: target.decoding for target in graph.targets}
    assert decodings == {
        "c1.weight": Decoding.WEIGHT, "c1.bias": Decoding.BIAS, "c2.weight": Decoding.WEIGHT,
        "bn.weight": Decoding.NORM_WEIGHT, "bn.bias": Decoding.NORM_BIAS,
        "head.weight": Decoding.CLASS_WEIGHT, "head.bias": Decoding.CLASS_BIAS,
    }  # fmt: skip


def test_groups_and_dilation_choose_the_primitive() -> None:
    graph = to_primitives(
        graph_of(
            conv("a", "x", groups=8, shape=(8, 1, 3, 3)),
            Node("b", "conv", ("a",), (Parameter("b.w", (8, 1, 3, 3)),), {"groups": 8, "dilation": (2, 2)}),
            Node("c", "conv", ("b",), (Parameter("c.w", (8, 1, 3, 3)),), {"groups": 8, "dilation": (1, 2)}),
            Node("d", "conv", ("c",), (Parameter("d.w", (8, 8, 3, 3)),), {"groups": 1, "dilation": (2, 2)}),
        )
    )
    assert [Primitive(p).name for p in graph.primitive_N[1:]] == ["SEP_CONV", "DIL_CONV", "SEP_CONV", "CONV"]


def test_single_input_sums_vanish_also_when_they_become_single() -> None:
    graph = to_primitives(
        graph_of(
            conv("a", "x"),
            Node("left", "activation", ("a",)),
            Node("right", "identity", ("a",)),
            Node("sum", "add", ("left", "right")),
            Node("cat", "concat", ("sum",)),
            conv("b", "cat"),
        )
    )
    assert edges(graph) == {("x", "a.weight"), ("a.weight", "b.weight")}


def test_dropped_nodes_join_every_neighbour() -> None:
    graph = to_primitives(graph_of(conv("a", "x"), conv("b", "x"), Node("mul", "mul", ("a", "b")), conv("c",
                                   "mul"), conv("d", "mul"), Node("out", "add", ("c", "d"))))  # fmt: skip
    assert {
        ("a.weight", "c.weight"),
        ("b.weight", "c.weight"),
        ("a.weight", "d.weight"),
        ("b.weight", "d.weight"),
    } <= edges(graph)


def test_positions_and_pools_carry_their_shapes() -> None:
    graph = to_primitives(
        graph_of(
            Node("pool", "max_pool", ("x",), (), {"kernel_size": (3, 2)}),
            Node("avg", "avg_pool", ("pool",), (), {"kernel_size": 5}),
            Node("pos", "position", (), (Parameter("pos", (1, 197, 64)),)),
            Node("sum", "add", ("avg", "pos")),
            Node("more", "position", ("sum",), (Parameter("more", (1, 64, 11, 11)),)),
            conv("c", "more"),
        )
    )
    shapes = dict(zip(graph.names, graph.shapes, strict=True))
    assert shapes["pool"] == (1, 1, 3, 2)
    assert shapes["avg"] == (1, 1, 5, 5)
    assert shapes["pos"] == (1, 64, 14, 14)
    assert shapes["more"] == (1, 64, 11, 11)
    assert ("pos", "sum") in edges(graph)
    assert {source for source, target in edges(graph) if target == graph.names[-2]} == {"sum", "more"}


def test_every_parameter_is_a_target_once() -> None:
    graph = build_graph(
        [
            Node("x", "input"),
            Node("e", "embedding", ("x",), (Parameter("e.w", (9, 4)),)),
            Node("l", "linear", ("e",), (Parameter("tied", (9, 4)),)),
            Node("l2", "linear", ("l",), (Parameter("tied2", (4, 9)),)),
            Node("l3", "linear", ("l2",), (Parameter("tied", (9, 4)),)),
        ],
        unattached=(Parameter("never", (3,)),),
    )
    targets = {target.parameter.name: target for target in to_primitives(graph).targets}
    assert set(targets) == {"e.w", "tied", "tied2", "never"}
    assert targets["never"].decoding is targets["e.w"].decoding is Decoding.DEFAULT


def test_networks_without_layers_are_refused() -> None:
    with pytest.raises(InvalidArchitecture, match="no operator that a GHN knows"):
        to_primitives(graph_of(Node("r", "activation", ("x",))))


def test_every_primitive_has_an_operator() -> None:
    made = {operator.primitive for operator in OPERATORS.values()} - {None}
    # These two come from attributes of a convolution.
    assert made | {Primitive.SEP_CONV, Primitive.DIL_CONV} == set(Primitive)


def test_the_classifier_gives_the_networks_output() -> None:
    head = conv("head", "x", bias=True, shape=(10, 3, 1, 1))

    def decodings(*nodes: Node) -> set[Decoding]:
        return {target.decoding for target in to_primitives(graph_of(*nodes)).targets}

    assert decodings(head) == {Decoding.CLASS_WEIGHT, Decoding.CLASS_BIAS}
    assert decodings(conv("head", "x")) == {Decoding.CLASS_WEIGHT}
    # SqueezeNet pools behind its last convolution: the reference decodes that like any other.
    assert decodings(head, Node("pool", "global_avg_pool", ("head",))) == {Decoding.WEIGHT, Decoding.BIAS}
    assert decodings(head, Node("soft", "softmax", ("head",))) == {Decoding.CLASS_WEIGHT, Decoding.CLASS_BIAS}


def test_of_two_heads_the_same_one_is_the_classifier_in_any_order() -> None:
    nodes = [conv("stem", "x"), conv("head_a", "stem"), conv("head_b", "stem")]

    def classifier(order: list[Node]) -> str:
        targets = to_primitives(graph_of(*order)).targets
        (found,) = [t.parameter.name for t in targets if t.decoding is Decoding.CLASS_WEIGHT]
        return found

    assert classifier(nodes) == classifier([nodes[0], nodes[2], nodes[1]]) == "head_b.weight"
