"""What a network has to do for one input, counted by the kinds of work that take different times a piece.

Multiply-adds of a depthwise convolution take several times as long as those of a dense one; where few images
are run, reading the weights takes time too, and so does every operator that only reads and writes numbers.
The regressors that add up prices (`additive.py`, `prices.py`) learn what each costs on a machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import prod

from service.graph_io.archgraph import ArchGraph
from service.predictors.features.network_cost import Operation, operations

# Kinds of operators without multiply-adds; what is not named is "other".
_KIND = {
    "batch_norm": "batch_norm",
    "instance_norm": "norm",
    "group_norm": "norm",
    "layer_norm": "norm",
    "rms_norm": "norm",
    "activation": "activation",
    "softmax": "activation",
    "max_pool": "pool",
    "avg_pool": "pool",
    "add": "add",
    "concat": "concat",
}
_KINDS = (*dict.fromkeys(_KIND.values()), "other")
_LAYERS = ("dense_1x1", "dense", "grouped", "linear", "attention")
# These compute nothing: the numbers stay where they are, or change their layout.
_FREE = ("input", "constant", "identity", "dropout", "flatten", "reshape")

WORK: tuple[str, ...] = (
    *(f"multiply_adds_{layer}" for layer in _LAYERS),
    *(f"weights_{layer}" for layer in _LAYERS[:-1]),
    *(f"elements_{kind}" for kind in (*_LAYERS, *_KINDS)),
    *(f"count_{kind}" for kind in (*_LAYERS, *_KINDS)),
)


def network_work(graph: ArchGraph, worked: Iterable[Operation] | None = None) -> list[float]:
    """The numbers of one network, in the order of WORK. worked: its `operations`, for who has them."""
    counts: Counter[str] = Counter()
    for operation in operations(graph) if worked is None else worked:
        if operation.node.op in _FREE:
            continue
        kind = _kind(operation)
        counts[f"count_{kind}"] += 1
        counts[f"elements_{kind}"] += operation.elements
        if kind in _LAYERS:
            counts[f"multiply_adds_{kind}"] += operation.multiply_adds
        if operation.weight is not None:
            counts[f"weights_{kind}"] += operation.weight.numel
    return [float(counts[name]) for name in WORK]


def _kind(operation: Operation) -> str:
    weight = operation.weight
    if weight is None:
        return "attention" if operation.node.op == "attention" else _KIND.get(operation.node.op, "other")
    shape = weight.canonical_shape
    if operation.node.op == "linear" or len(shape) == 2:
        return "linear"
    if shape[1] < operation.channels_in:
        return "grouped"
    return "dense_1x1" if prod(shape[2:]) == 1 else "dense"
