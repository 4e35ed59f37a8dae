"""Any network as a vector of numbers: what it costs, what it is made of, how deep and how branched it is.

For architectures without a cell that `cells.py` knows, and for ranking formats together.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log1p, log10, prod

import numpy as np

from service.graph_io.archgraph import ArchGraph
from service.graph_io.operators import Primitive
from service.graph_io.primitives import PrimitiveGraph, to_primitives
from service.predictors.features.network_cost import Operation, operations
from service.predictors.features.network_walks import network_operations
from service.predictors.features.walks import WALKS, walks

_CONVOLUTIONS = frozenset(map(int, (Primitive.CONV, Primitive.SEP_CONV, Primitive.DIL_CONV)))
_KERNELS = ("1", "3", "5", "larger")

NETWORK_FEATURES: tuple[str, ...] = (
    "log_multiply_adds",
    "log_parameters",
    "log_activation_layers",
    "log_depth",
    "log_nodes",
    "joins_per_node",
    "longest_fan_out",
    "parameters_per_node",
    "log_widest",
    "log_mean_width",
    *(f"log_{primitive.name.lower()}" for primitive in Primitive),
    *(f"share_{primitive.name.lower()}" for primitive in Primitive),
    *(f"kernels_{size}" for size in _KERNELS),
    *(f"weights_{size}" for size in _KERNELS),
    *(f"log_{name}" for name in WALKS),
)


def network_features(graph: ArchGraph, worked: Iterable[Operation] | None = None) -> list[float]:
    """The numbers of one network, in the order of NETWORK_FEATURES. worked: its `operations`, for who has
    them.

    Raises InvalidArchitecture for a network without any layer.
    """
    primitives = to_primitives(graph)
    worked = operations(graph) if worked is None else worked
    size = len(primitives)
    counts = np.bincount(primitives.primitive_N, minlength=len(Primitive))[: len(Primitive)]
    parameters = sum(parameter.numel for parameter in graph.all_parameters())
    read_by = np.zeros(size, dtype=np.int64)
    for sources in primitives.predecessors:
        read_by[list(sources)] += 1
    widths = [shape[0] for shape in primitives.shapes if shape is not None and shape[0] > 1] or [1]
    kernels, weights = _by_kernel(primitives)
    return [
        log10(1 + sum(operation.multiply_adds for operation in worked)),
        log10(1 + parameters),
        log1p(sum(node.op == "activation" for node in graph.nodes)),
        log1p(_depth(primitives)),
        log1p(size),
        sum(len(sources) > 1 for sources in primitives.predecessors) / size,
        log1p(int(read_by.max())),
        log10(1 + parameters / size),
        log1p(max(widths)),
        float(np.mean(np.log1p(widths))),
        *(log1p(int(count)) for count in counts),
        *(float(count) / size for count in counts),
        *(log1p(kernels[name]) for name in _KERNELS),
        *(log10(1 + weights[name]) for name in _KERNELS),
        *np.log1p(walks(network_operations(graph))).tolist(),
    ]


def _depth(graph: PrimitiveGraph) -> int:
    """Nodes on the longest path."""
    depth: list[int] = []
    for sources in graph.predecessors:
        depth.append(1 + max((depth[source] for source in sources), default=0))
    return max(depth)


def _by_kernel(graph: PrimitiveGraph) -> tuple[dict[str, int], dict[str, int]]:
    """How many weights with kernels of each size, and how many numbers they hold."""
    count, numbers = dict.fromkeys(_KERNELS, 0), dict.fromkeys(_KERNELS, 0)
    for primitive, shape in zip(graph.primitive_N.tolist(), graph.shapes, strict=True):
        if primitive in _CONVOLUTIONS and shape is not None:
            largest = max(shape[2:], default=1)
            name = "1" if largest == 1 else "3" if largest <= 3 else "5" if largest <= 5 else "larger"
            count[name] += 1
            numbers[name] += prod(shape)
    return count, numbers
