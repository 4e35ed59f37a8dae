"""Running an ArchGraph with parameters from outside.

`Network(graph)` compiles the graph once into a list of steps; calling it with images and a mapping of tensors
runs them. It owns no parameter: what a hypernetwork predicts goes straight into functional operators, and
gradients flow back into it.

The dtype of the images is the dtype of the computation (bfloat16 images: bfloat16 activations); parameters
may stay float32. Batch normalisation uses the statistics of the batch, since nobody predicts running ones
(GHN-2 paper, appendix C.1), or those that `BatchStatistics` gathered from other batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from service.errors import InvalidArchitecture, UnsupportedOperator
from service.executor.operators import NORMALISED_BY_BATCH, compile_node
from service.graph_io.archgraph import ArchGraph, Node

Params = Mapping[str, Tensor]
Step = Callable[[Sequence[Tensor], Params], Tensor]


@dataclass
class BatchStatistics:
    """Means and variances of every batch normalisation: first gathered over batches, then used instead of
    each batch's own.
    """

    gathering: bool = True
    batches: int = 0
    sums: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def observe(self, name: str, x: Tensor) -> None:
        variance, mean = torch.var_mean(x.detach().float(), dim=[0, *range(2, x.ndim)])
        if name in self.sums:
            mean, variance = mean + self.sums[name][0], variance + self.sums[name][1]
        self.sums[name] = (mean, variance)

    def of(self, name: str) -> tuple[Tensor, Tensor]:
        mean, variance = self.sums[name]
        return mean / self.batches, variance / self.batches


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    run: Step | None  # None: a batch normalisation, which needs to know about statistics
    inputs: tuple[int, ...]
    output: int
    finished: tuple[int, ...]  # values that no later step reads
    node: Node


class Network:
    """A runnable network.

    graph: what it computes; parameters that it never reads are ignored.

    Raises UnsupportedOperator for an operator that cannot be run (naming the node): every operator of the
    cell spaces can, and those of common convolutional networks and transformers. Raises InvalidArchitecture
    for a network with parameters that its owner keeps, whose values no graph has.
    """

    def __init__(self, graph: ArchGraph) -> None:
        if len(graph.outputs) != 1 or sum(node.op == "input" for node in graph.nodes) != 1:
            raise UnsupportedOperator(
                "Only networks with one input and one output can be run.", operator="input"
            )
        kept = next((p for p in graph.all_parameters() if not p.trainable), None)
        if kept is not None:
            raise InvalidArchitecture(
                f"The parameter {kept.name!r} is not trainable, and a graph does not have its values: the "
                "network cannot be run here.",
                node=kept.name,
                hint="Run or train it where its values are, with the predicted weights of the others.",
            )
        self.graph = graph
        self._steps, self._slots = _compile(graph)

    def __call__(
        self, images_NCHW: Tensor, params: Params, statistics: BatchStatistics | None = None
    ) -> Tensor:
        """Logits, float32, of the images under the parameters."""
        values: list[Tensor | None] = [None] * self._slots
        values[0] = (
            images_NCHW.contiguous(memory_format=torch.channels_last)
            if images_NCHW.ndim == 4
            else images_NCHW
        )
        if statistics is not None and statistics.gathering:
            statistics.batches += 1
        result = values[0]
        for step in self._steps:
            inputs: list[Tensor] = [values[slot] for slot in step.inputs]  # type: ignore[misc]
            if step.run is None:
                result = _batch_norm(step.node, inputs[0], params, statistics)
            else:
                result = step.run(inputs, params)
            values[step.output] = result
            for slot in step.finished:
                values[slot] = None
        assert result is not None
        return result.float()


def _batch_norm(node: Node, x: Tensor, params: Params, statistics: BatchStatistics | None) -> Tensor:
    weight, bias = (
        (params.get(parameter.name) for parameter in node.params) if len(node.params) == 2 else (None, None)
    )
    eps = float(node.attrs.get("eps", 1e-5))  # type: ignore[arg-type]
    if statistics is not None and not statistics.gathering:
        mean, variance = statistics.of(node.name)
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)
    if statistics is not None:
        statistics.observe(node.name, x)
    return F.batch_norm(x, None, None, weight, bias, training=True, eps=eps)


def _compile(graph: ArchGraph) -> tuple[tuple[_Step, ...], int]:
    """Steps in execution order; equal operators without parameters on equal inputs (a ReLU that four
    branches apply) run once.
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
    output = slot_of[graph.outputs[0]]
    # Nothing behind the output needs to run.
    drafts = drafts[: next((i for i, draft in enumerate(drafts) if draft[2] == output), -1) + 1]
    steps = []
    for index, (node, inputs, slot) in enumerate(drafts):
        finished = tuple(sorted({used for used in inputs if last_use[used] == index}))
        run = None if node.op in NORMALISED_BY_BATCH else compile_node(node)
        steps.append(_Step(node.name, run, inputs, slot, finished, node))
    return tuple(steps), count
