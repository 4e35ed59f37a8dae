from __future__ import annotations

from hypothesis import given, settings

from service.graph_io.archgraph import ArchGraph, Node
from service.graph_io.checks import build_graph
from service.graph_io.draw import to_dot
from tests.graph_io.strategies import graphs


@settings(max_examples=30, deadline=None)
@given(graph=graphs())
def test_every_node_and_edge_is_drawn(graph: ArchGraph) -> None:
    text = to_dot(graph)
    assert text.count("[shape=") == len(graph.nodes)
    assert text.count(" -> ") == sum(len(node.inputs) for node in graph.nodes)
    assert text.count("{") == text.count("}")


def test_names_cannot_leave_their_quotes() -> None:
    graph = build_graph([Node('x"]; evil [label="', "input")], name='a"b\\')
    assert to_dot(graph).splitlines()[1] == '  label="a\\"b\\\\";'
    assert "evil" not in to_dot(graph)
