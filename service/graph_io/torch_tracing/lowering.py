"""From the record of a run to the nodes of an ArchGraph: what each learned tensor is to the network.

| use of a parameter | node |
| --- | --- |
| weight or bias of a layer, directly or computed from it | the layer |
| added, one axis longer than 1 | bias |
| added, more such axes | position |
| multiplied with what a layer gives | layer_scale |
| multiplied with anything else | parameter, role gain |
| joined to the features | class_token |
| a table that enters the scores of an attention | relative_position |
| a matrix times the features | linear |
| anything else | parameter |

Steps that reach no output are left out. Free of torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from service.graph_io.archgraph import Node
from service.graph_io.lifting import find_layers, lift
from service.graph_io.lifting.linked import Shape, linked
from service.graph_io.operators import NORMS
from service.graph_io.torch_tracing import combined, weighted
from service.graph_io.torch_tracing.node_builder import NodeBuilder
from service.graph_io.torch_tracing.steps import INPUT, Record, Step


@dataclass(frozen=True, slots=True)
class Lowered:
    """nodes: in execution order. outputs: names of those that the network returns."""

    nodes: list[Node]
    outputs: tuple[str, ...]


def lower(record: Record) -> Lowered:
    """The nodes of a record."""
    shapes: dict[str, Shape] = {}

    def emit(index: int) -> str:
        before = len(build.nodes)
        name = _rule(steps[index])(build, steps[index])
        build.node_of[index] = name
        for node in build.nodes[before:]:
            if node.inputs or node.op == INPUT:
                shapes.setdefault(node.name, steps[index].shape)
        return name

    steps = record.steps
    build = NodeBuilder(steps, emit)
    needed = _needed(record)
    for index, step in enumerate(steps):
        if step.live and index in needed:
            emit(index)
    outputs = tuple(dict.fromkeys(build.node_of[index] for index in record.outputs))
    graph = linked(_reaching(build.nodes, outputs), outputs, shapes, record.batch)
    find_layers(graph)
    return Lowered(*lift(graph))


def _rule(step: Step) -> Callable[[NodeBuilder, Step], str]:
    rule = _RULES.get(step.op)
    if rule is None:
        rule = weighted.parametric_activation if step.weights else combined.plain
    return rule


def _input(build: NodeBuilder, step: Step) -> str:
    return build.node(INPUT, attrs={"shape": step.shape[1:]} if len(step.shape) > 1 else {})


_RULES: dict[str, Callable[[NodeBuilder, Step], str]] = {
    INPUT: _input,
    "conv": weighted.layer,
    "conv_transpose": weighted.layer,
    "linear": weighted.layer,
    **dict.fromkeys(NORMS, weighted.norm),
    "embedding": weighted.embedding,
    "recurrent": weighted.recurrent,
    "add": combined.total,
    "mul": combined.product,
    "concat": combined.join,
    "matmul": combined.matrix_product,
}


def _needed(record: Record) -> set[int]:
    """Steps that an output depends on."""
    steps, needed = record.steps, set(record.outputs)
    for index in range(len(steps) - 1, -1, -1):
        if index in needed:
            needed.update(steps[index].reads)
    return needed


def _reaching(nodes: list[Node], outputs: tuple[str, ...]) -> list[Node]:
    """Nodes that reach an output. A value may have no part in what the step that read it becomes."""
    needed = set(outputs)
    for node in reversed(nodes):
        if node.name in needed:
            needed.update(node.inputs)
    return nodes if len(needed) == len(nodes) else [node for node in nodes if node.name in needed]
