"""A network as text for Graphviz (`dot -Tsvg`): for looking at what a reader made of a file."""

from __future__ import annotations

from collections.abc import Iterator

from service.graph_io.archgraph import ArchGraph, Node
from service.graph_io.operators import OPERATORS


def to_dot(graph: ArchGraph) -> str:
    """A DOT document. Nodes that a GHN sees are boxes, those it drops ellipses; cells are framed."""
    numbers = {node.name: f"n{index}" for index, node in enumerate(graph.nodes)}
    lines = ["digraph {", f"  label={_quoted(graph.name)};", "  node [fontname=Helvetica, fontsize=10];"]
    cells = sorted({node.cell for node in graph.nodes if node.cell is not None})
    lines += [_node_line(node, numbers) for node in graph.nodes if node.cell is None]
    for cell in cells:
        lines.append(f'  subgraph cluster_{cell} {{ label="cell {cell}"; color=gray;')
        lines += [_node_line(node, numbers) for node in graph.nodes if node.cell == cell]
        lines.append("  }")
    for node in graph.nodes:
        lines += [f"  {numbers[source]} -> {numbers[node.name]};" for source in node.inputs]
    return "\n".join([*lines, "}", ""])


def _node_line(node: Node, numbers: dict[str, str]) -> str:
    shape = "ellipse" if OPERATORS[node.op].primitive is None else "box"
    return f"  {numbers[node.name]} [shape={shape}, label={_quoted(chr(10).join(_label(node)))}];"


def _label(node: Node) -> Iterator[str]:
    yield node.op
    for parameter in node.params:
        yield f"{parameter.name} {'x'.join(map(str, parameter.shape))}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
