"""What the early exits of a network cost: after how much work which of them has answered."""

from __future__ import annotations

from dataclasses import dataclass

from service.graph_io.archgraph import ArchGraph
from service.predictors.features.network_cost import operations


@dataclass(frozen=True, slots=True)
class ExitCost:
    """node: the exit's, in the graph. multiply_adds: of everything that has run when it answers, earlier
    exits among it. parameters: of the exit itself, by name.
    """

    node: str
    multiply_adds: int
    parameters: tuple[str, ...]


def exit_costs(graph: ArchGraph) -> list[ExitCost]:
    """Of every early exit, in order of execution; empty for a network without exits.

    A node runs only when the first exit that needs it does.
    """
    if not graph.exits:
        return []
    nodes = {node.name: node for node in graph.nodes}
    work = {operation.node.name: operation.multiply_adds for operation in operations(graph)}
    costs: list[ExitCost] = []
    done: set[str] = set()
    for name in graph.exits:
        waiting = [name]
        while waiting:
            node = nodes[waiting.pop()]
            if node.name not in done:
                done.add(node.name)
                waiting.extend(node.inputs)
        parameters = tuple(parameter.name for parameter in nodes[name].params)
        costs.append(ExitCost(name, sum(work[one] for one in done), parameters))
    return costs
