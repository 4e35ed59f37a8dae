"""Running an ArchGraph node by node, each from its attributes: the graph is compiled once into a list of
steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from service.errors import UnsupportedOperator
from service.executor.checked import drawn
from service.executor.operators import NORMALISED_BY_BATCH, compile_node
from service.executor.statistics import BatchStatistics, normalised_by_batch
from service.graph_io.archgraph import ArchGraph, Node, module_of
from service.graph_io.torch_tracing.samples import root_mean_square

Params = Mapping[str, Tensor]
Step = Callable[[Sequence[Tensor], Params], Tensor]


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    run: Step | None  # None: a batch normalisation, which needs to know about statistics
    inputs: tuple[int, ...]
    output: int
    finished: tuple[int, ...]  # values that no later step reads
    node: Node


class NodeNetwork:
    """A network that is run from its nodes.

    batch_norms: the name of each batch normalisation among `BatchStatistics`, and the path of its module
        (empty if nobody names it).

    Raises UnsupportedOperator, naming the node, for one that its attributes do not say exactly.
    """

    def __init__(self, graph: ArchGraph) -> None:
        exits = graph.exits
        if (len(graph.outputs) != 1 and not exits) or sum(node.op == "input" for node in graph.nodes) != 1:
            raise UnsupportedOperator(
                "Only networks with one input and one output, or with early exits, can be run.",
                operator="input",
            )
        self._steps, self._slots, self._outputs = _compile(graph, exits or graph.outputs)
        self.batch_norms = tuple(
            (step.name, _module_of(step.node)) for step in self._steps if step.run is None
        )

    @torch.no_grad()
    def sizes(self, graph: ArchGraph) -> dict[str, tuple[Node, float]]:
        """For each module that owns parameters, by its path: its first node, and the root mean square of
        what that gives for the sample.
        """
        sizes: dict[str, tuple[Node, float]] = {}

        def observe(node: Node, result: Tensor) -> None:
            for parameter in node.params:
                sizes.setdefault(parameter.name.rpartition(".")[0], (node, root_mean_square(result)))

        self(*drawn(graph), observe=observe)
        return sizes

    def __call__(
        self,
        images: Tensor,
        params: Params,
        statistics: BatchStatistics | None = None,
        observe: Callable[[Node, Tensor], None] | None = None,
    ) -> Tensor:
        """What the last node computes, in the number format of the images.

        observe: called with every node that is run, and with what it gives.
        """
        return self.answers(images, params, statistics, observe)[-1]

    def answers(
        self,
        images: Tensor,
        params: Params,
        statistics: BatchStatistics | None = None,
        observe: Callable[[Node, Tensor], None] | None = None,
    ) -> list[Tensor]:
        """What every exit computes, in order of execution; of other networks what the last node does."""
        values: list[Tensor | None] = [None] * self._slots
        values[0] = images.contiguous(memory_format=torch.channels_last) if images.ndim == 4 else images
        for step in self._steps:
            inputs: list[Tensor] = [values[slot] for slot in step.inputs]  # type: ignore[misc]
            if step.run is None:
                result = _batch_norm(step.node, inputs[0], params, statistics)
            else:
                result = step.run(inputs, params)
            if observe is not None:
                observe(step.node, result)
            values[step.output] = result
            for slot in step.finished:
                values[slot] = None
        return [values[slot] for slot in self._outputs]  # type: ignore[misc]


def _batch_norm(node: Node, x: Tensor, params: Params, statistics: BatchStatistics | None) -> Tensor:
    weight, bias = (
        (params.get(parameter.name) for parameter in node.params) if len(node.params) == 2 else (None, None)
    )
    eps = float(node.attrs.get("eps", 1e-5))  # type: ignore[arg-type]
    return normalised_by_batch(node.name, x, weight, bias, eps, statistics)


def _module_of(node: Node) -> str:
    return module_of(next((parameter.name for parameter in node.params if parameter.role == "weight"), ""))


def _compile(graph: ArchGraph, outputs: Sequence[str]) -> tuple[tuple[_Step, ...], int, tuple[int, ...]]:
    """Steps in execution order, how many values there are, and which of them are the outputs. Equal operators
    without parameters on equal inputs (a ReLU that four branches apply) run once.
    """
    slot_of: dict[str, int] = {}
    same: dict[object, int] = {}
    drafts: list[tuple[Node, tuple[int, ...], int]] = []
    count = 1
    for node in graph.nodes:
        if node.op == "input":
            slot_of[node.name] = 0
            continue
        inputs = tuple(slot_of[name] for name in node.inputs)
        if node.op in ("identity", "dropout"):
            slot_of[node.name] = inputs[0]
            continue
        key = (node.op, inputs, tuple(sorted(node.attrs.items(), key=lambda item: item[0])))
        if not node.params and key in same:
            slot_of[node.name] = same[key]
            continue
        slot_of[node.name] = same[key] = count
        drafts.append((node, inputs, count))
        count += 1
    last_use = {slot: index for index, (_, inputs, _) in enumerate(drafts) for slot in inputs}
    kept = tuple(slot_of[name] for name in outputs)
    # Nothing behind the last output needs to run.
    drafts = drafts[: max((i for i, draft in enumerate(drafts) if draft[2] in kept), default=-1) + 1]
    steps = []
    for index, (node, inputs, slot) in enumerate(drafts):
        finished = tuple(sorted({used for used in inputs if last_use[used] == index} - set(kept)))
        run = None if node.op in NORMALISED_BY_BATCH else compile_node(node)
        steps.append(_Step(node.name, run, inputs, slot, finished, node))
    return tuple(steps), count, kept
