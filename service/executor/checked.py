"""A network is the owner's network: before it is trained or scored, its answer is compared with the
owner's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from service.errors import UnsupportedOperator
from service.graph_io.archgraph import ArchGraph, Node
from service.graph_io.sample import Sample, sample_input, sample_parameter
from service.graph_io.torch_tracing.samples import root_mean_square

# Between one processor and another, batch norms of a few inputs make much of the last bits.
TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Size:
    """Of the values in a tensor: how many, and their root mean square."""

    count: int
    root_mean_square: float

    def agrees(self, other: Size) -> bool:
        near = abs(self.root_mean_square - other.root_mean_square)
        return self.count == other.count and near <= TOLERANCE * abs(other.root_mean_square) + 1e-12


def size_of(values: Tensor) -> Size:
    return Size(values.numel(), root_mean_square(values))


Run = Callable[[Tensor, Mapping[str, Tensor]], Tensor]


def drawn(graph: ArchGraph) -> tuple[Tensor, dict[str, Tensor]]:
    """The input and the parameters that both sides draw."""
    return torch.from_numpy(sample_input(graph.input_shape)), {
        parameter.name: torch.from_numpy(sample_parameter(parameter.name, parameter.shape))
        for parameter in graph.parameters()
    }


def relative_difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference between two answers of one shape, relative to the largest number of theirs; not
    finite if either answer is not.
    """
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-12))


@torch.no_grad()
def difference(run: Run, graph: ArchGraph, sample: Sample) -> float:
    """`relative_difference` between our answer and the owner's; infinite if ours is shorter."""
    expected = torch.tensor(sample.output)
    result = run(*drawn(graph)).float().reshape(-1)
    if result.numel() < expected.numel():
        return float("inf")
    return relative_difference(result[: expected.numel()], expected)


def differs(sample: Sample, seen: Mapping[str, tuple[Node, float]], relative: float) -> UnsupportedOperator:
    """The refusal of a network that answers something else, naming the first layer that does.

    seen: by the path of a module, its node and the root mean square of what it gave.
    """
    for path, expected in sample.layers:
        node, size = seen.get(path, (None, expected))
        if node is not None and not abs(size - expected) <= TOLERANCE * abs(expected):
            return UnsupportedOperator(
                f"Node {node.name!r} ({node.op}), or what it reads, computes something else than the network "
                f"that was sent: its values have the size {size:.4g}, not {expected:.4g}.",
                node=node.name,
                operator=node.op,
            )
    return UnsupportedOperator(
        "The graph computes something else than the network that was sent: its answers differ by "
        f"{relative:.1%}.",
        operator="output",
    )
