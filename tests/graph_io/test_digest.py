"""The digest sees the network and nothing of how it was written down."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.graph_io.archgraph import ArchGraph, Node, Parameter
from service.graph_io.checks import build_graph
from service.graph_io.digest import graph_digest
from tests.graph_io.strategies import graphs


def conv(name: str, source: str, parameter: str, **attrs: object) -> Node:
    return Node(name, "conv", (source,), (Parameter(parameter, (8, 8, 3, 3)),), attrs)  # type: ignore[arg-type]


def two_branches(join: str = "add", **changes: object) -> ArchGraph:
    """input -> two convolutions -> join -> linear."""
    nodes = [
        Node("x", "input"),
        conv("a", "x", "a.weight"),
        conv("b", "x", "b.weight"),
        Node("join", join, ("a", "b")),
        Node("fc", "linear", ("join",), (Parameter("fc.weight", (10, 8)),)),
    ]
    return replace(build_graph(nodes, input_shape=(8, 32, 32)), **changes)  # type: ignore[arg-type]


def rewritten(graph: ArchGraph, random_source: random.Random) -> ArchGraph:
    """The same network with other node names, in another order, in other cells."""
    names = [node.name for node in graph.nodes]
    renamed = dict(
        zip(names, random_source.sample([f"n{i}" for i in range(len(names))], len(names)), strict=True)
    )
    nodes = [
        replace(node, name=renamed[node.name], inputs=tuple(renamed[name] for name in node.inputs), cell=None)
        for node in graph.nodes
    ]
    random_source.shuffle(nodes)
    outputs = [renamed[name] for name in graph.outputs]
    return build_graph(
        nodes, outputs=outputs, input_shape=graph.input_shape, name="other", unattached=graph.unattached
    )


@settings(max_examples=100, deadline=None)
@given(graph=graphs(), seed=st.integers(0, 10**6))
def test_names_and_order_of_nodes_do_not_count(graph: ArchGraph, seed: int) -> None:
    assert graph_digest(rewritten(graph, random.Random(seed))) == graph_digest(graph)


@settings(max_examples=100, deadline=None)
@given(graph=graphs(), data=st.data())
def test_a_changed_parameter_counts(graph: ArchGraph, data: st.DataObject) -> None:
    owners = [node for node in graph.nodes if node.params]
    if not owners:
        return
    owner = data.draw(st.sampled_from(owners))
    changed = replace(owner.params[0], name=owner.params[0].name + "'")
    nodes = [
        replace(node, params=(changed, *node.params[1:])) if node is owner else node for node in graph.nodes
    ]
    other = build_graph(nodes, outputs=graph.outputs, input_shape=graph.input_shape)
    assert graph_digest(other) != graph_digest(replace(graph, unattached=()))


def swapped(graph: ArchGraph) -> ArchGraph:
    nodes = [replace(node, inputs=node.inputs[::-1]) for node in graph.nodes]
    return build_graph(nodes, input_shape=graph.input_shape)


def test_the_order_of_terms_does_not_count_but_that_of_joined_parts_does() -> None:
    assert graph_digest(swapped(two_branches("add"))) == graph_digest(two_branches("add"))
    assert graph_digest(swapped(two_branches("concat"))) != graph_digest(two_branches("concat"))
    assert graph_digest(swapped(two_branches("matmul"))) != graph_digest(two_branches("matmul"))


def variants() -> dict[str, ArchGraph]:
    base = two_branches()
    nodes = list(base.nodes)
    extra = Parameter("spare", (4,), "parameter")
    return {
        "input shape": replace(base, input_shape=(8, 16, 16)),
        "outputs": replace(base, outputs=("fc", "join")),
        "unattached": replace(base, unattached=(extra,)),
        "operator": two_branches("mul"),
        "stride": replace(base, nodes=(nodes[0], conv("a", "x", "a.weight", stride=2), *nodes[2:])),
        "axes": replace(
            base,
            nodes=(
                *nodes[:4],
                replace(nodes[4], params=(Parameter("fc.weight", (8, 10), "weight", (1, 0)),)),
            ),
        ),
        "edge": replace(base, nodes=(*nodes[:2], conv("b", "a", "b.weight"), *nodes[3:])),
        "more nodes": build_graph(
            [*nodes[:4], Node("r", "activation", ("join",)), replace(nodes[4], inputs=("r",))],
            input_shape=(8, 32, 32),
        ),
    }


def test_every_difference_of_networks_counts() -> None:
    digests = {name: graph_digest(graph) for name, graph in variants().items()}
    digests["base"] = graph_digest(two_branches())
    assert len(set(digests.values())) == len(digests), digests


def test_what_behind_a_node_differs_counts_even_if_all_before_it_agrees() -> None:
    """Two equal pools, read by different convolutions: which pool feeds which output is told apart by the
    readers only.
    """

    def graph(second_reads: str) -> ArchGraph:
        return build_graph(
            [
                Node("x", "input"),
                Node("p", "max_pool", ("x",), (), {"kernel_size": 3}),
                Node("q", "max_pool", ("x",), (), {"kernel_size": 3}),
                conv("a", "p", "a"),
                conv("b", second_reads, "b"),
                conv("c", "q", "c"),
                Node("y", "concat", ("a", "b", "c")),
            ]
        )

    assert graph_digest(graph("p")) != graph_digest(graph("q"))


@pytest.mark.parametrize(
    "attrs",
    [{}, {"stride": 2, "dilation": 1}, {"stride": (2, 2), "padding": (0, 0, 0, 0), "groups": 1}],
)
def test_the_ways_of_saying_the_same_are_the_same(attrs: dict[str, object]) -> None:
    def digest(**attrs: object) -> str:
        return graph_digest(build_graph([Node("x", "input"), conv("a", "x", "a", **attrs)]))

    assert digest(**{"stride": 2, **attrs}) == digest(stride=2)
    assert digest(stride=2) != digest(stride=(2, 1))
    assert digest(stride=(1, 1)) == digest()


def ways_of_saying() -> dict[str, list[Node]]:
    """By what is said: the same node in several ways."""
    return {
        "a default": [
            Node("p", "global_avg_pool", ("x",)),
            Node("p", "global_avg_pool", ("x",), (), {"output_size": (1, 1)}),
        ],
        "an epsilon as files store it": [
            Node("p", "layer_norm", ("x",), (), {"eps": eps}) for eps in (1e-6, 9.999999974752427e-07)
        ],
        "a whole number": [
            Node("p", "unary", ("x",), (), {"kind": "mul", "value": value}) for value in (2, 2.0)
        ],
        "a factor of all axes": [
            Node("p", "resize", ("x",), (), {"scale": scale}) for scale in (2.0, (2.0, 2.0), 2)
        ],
    }


@pytest.mark.parametrize("said", ways_of_saying())
def test_defaults_and_ways_of_writing_numbers_do_not_count(said: str) -> None:
    graphs = [build_graph([Node("x", "input"), node]) for node in ways_of_saying()[said]]
    assert len({graph_digest(graph) for graph in graphs}) == 1


def test_an_input_need_not_repeat_the_shape_that_the_graph_says() -> None:
    def digest(*shapes: tuple[int, ...] | None) -> str:
        inputs = [Node(f"x{i}", "input", (), (), {"shape": shape}) for i, shape in enumerate(shapes)]
        read = tuple(node.name for node in inputs)
        return graph_digest(build_graph([*inputs, Node("y", "concat", read)], input_shape=(3, 8, 8)))

    assert digest(None, None) == digest((3, 8, 8), None) == digest((3, 8, 8), (3, 8, 8))
    assert digest(None, None) != digest(None, (3, 4, 4))


def test_a_deep_graph_takes_linear_time() -> None:
    nodes = [Node("0", "input")]
    for i in range(1, 20_000):
        inputs = (str(i - 1), str(max(0, i - 3))) if i % 4 == 0 else (str(i - 1),)
        nodes.append(Node(str(i), "add", inputs) if i % 4 == 0 else conv(str(i), str(i - 1), f"{i}.weight"))
    graph = build_graph(nodes)
    start = time.process_time()
    graph_digest(graph)
    # Measured 0.25 s; the margin is for a busy machine, quadratic time would be far beyond it.
    assert time.process_time() - start < 2.0
