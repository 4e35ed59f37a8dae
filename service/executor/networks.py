"""Running an ArchGraph with parameters from outside.

`Network(graph)` is compiled once; calling it with images and a mapping of tensors runs it. It owns no
parameter: what a hypernetwork predicts goes straight into functional operators, and gradients flow back
into it.

The dtype of the images is the dtype of the computation (bfloat16 images: bfloat16 activations); parameters
may stay float32. Batch normalisation uses the statistics of the batch, or those of `BatchStatistics`.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from service.errors import InvalidArchitecture, UnsupportedOperator
from service.executor.checked import TOLERANCE, Size, difference, differs, size_of
from service.executor.node_network import NodeNetwork
from service.executor.programs import ProgramNetwork
from service.executor.statistics import BatchStatistics
from service.graph_io.archgraph import ArchGraph

Params = Mapping[str, Tensor]


class Network:
    """A runnable network.

    graph: what it computes; parameters that it never reads are ignored. It is run from its nodes if their
        attributes say all, else by its program; by its program too if it has no sample to prove its nodes by.
    batch_norms: the name of each batch normalisation among `BatchStatistics`, and the path of its module
        (empty if nobody names it).

    If the graph has a sample, the network answers it as its owner's does.

    Raises UnsupportedOperator for an operator that cannot be run (naming the node): every operator of the
    cell spaces can, and those of common convolutional networks and transformers; and for a network that
    answers its sample otherwise. Raises InvalidArchitecture
    for a network with parameters that its owner keeps, if no program has their values.
    """

    def __init__(self, graph: ArchGraph) -> None:
        self.graph = graph
        self._runner = _runner(graph)
        self.batch_norms = self._runner.batch_norms

    @property
    def by_program(self) -> bool:
        """Whether it is run by its program, not from its nodes."""
        return isinstance(self._runner, ProgramNetwork)

    def __call__(
        self, images_NCHW: Tensor, params: Params, statistics: BatchStatistics | None = None
    ) -> Tensor:
        """Logits, float32, of the images under the parameters; of a network with early exits, the last's."""
        return self.answers(images_NCHW, params, statistics)[-1]

    def answers(
        self, images_NCHW: Tensor, params: Params, statistics: BatchStatistics | None = None
    ) -> list[Tensor]:
        """Logits, float32, of every exit in order of execution; of a network without exits its logits."""
        if statistics is not None and statistics.gathering:
            statistics.batches += 1
        if isinstance(self._runner, NodeNetwork):
            return [logits.float() for logits in self._runner.answers(images_NCHW, params, statistics)]
        return [self._runner(images_NCHW, params, statistics).float()]

    def sizes(self, images: Tensor, params: Params, statistics: BatchStatistics | None = None) -> list[Size]:
        """The sizes of what its nodes, or the calls of its program, give, in order."""
        sizes: list[Size] = []
        if isinstance(self._runner, ProgramNetwork):
            self._runner(images, params, statistics, observe=lambda value: sizes.append(size_of(value)))
        else:
            self._runner(images, params, statistics, observe=lambda _, value: sizes.append(size_of(value)))
        return sizes


def _runner(graph: ArchGraph) -> NodeNetwork | ProgramNetwork:
    kept = next((parameter for parameter in graph.all_parameters() if not parameter.trainable), None)
    if kept is None and (graph.program is None or graph.sample is not None):
        # From its nodes a network runs faster, but nothing proves that they say all.
        try:
            nodes = NodeNetwork(graph)
        except UnsupportedOperator:
            if graph.program is None:
                raise
        else:
            refusal = _refusal(nodes, graph)
            if refusal is None:
                return nodes
            if graph.program is None:
                raise refusal
    elif graph.program is None:
        assert kept is not None
        raise InvalidArchitecture(
            f"The parameter {kept.name!r} is not trainable, and a graph does not have its values: the "
            "network cannot be run here.",
            node=kept.name,
            hint="Run or train it where its values are, with the predicted weights of the others.",
        )
    assert graph.program is not None
    shapes = {parameter.name: parameter.shape for parameter in graph.all_parameters()}
    program = ProgramNetwork(graph.program, graph.input_shape, shapes)
    refusal = _refusal(program, graph)
    if refusal is not None:
        raise refusal
    return program


def _refusal(runner: NodeNetwork | ProgramNetwork, graph: ArchGraph) -> UnsupportedOperator | None:
    """Why a network that runs is not the one that was sent; None if it is, or if nobody can tell."""
    if graph.sample is None:
        return None
    relative = difference(runner, graph, graph.sample)
    if relative <= TOLERANCE:  # NaN is no agreement
        return None
    seen = runner.sizes(graph) if isinstance(runner, NodeNetwork) else {}
    return differs(graph.sample, seen, relative)
