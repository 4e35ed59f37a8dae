"""What signals meet on their way through a cell, and how tightly the cell is knit.

A random walk from the output back to the input, every source equally likely, passes so many convolutions and
pools on average: unlike the mean over paths, this does not let a part of the cell count more because it has
many detours. The same walk from the input on weighs what comes early. Of the graph: eigenvalues of its
Laplacian.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from service.predictors.features.structure import CONV1, CONV3, INPUT, OUTPUT, POOL, SKIP, Operation

_WALKED: dict[str, tuple[str, ...]] = {
    "conv3": (CONV3,),
    "conv1": (CONV1,),
    "pool": (POOL,),
    "convs": (CONV3, CONV1),
    "views": (CONV3, POOL),
    "operations": (CONV3, CONV1, POOL),
}
_COUNTED = (CONV3, CONV1, POOL)
_SUMMARIES = ("mean", "wide_mean", "forward_mean", "most", "fewest")

WALKS: tuple[str, ...] = tuple(f"walk_{summary}_{what}" for what in _WALKED for summary in _SUMMARIES)
WALK_FEATURES: tuple[str, ...] = (
    *WALKS,
    "connectivity",
    "largest_eigenvalue",
    "mean_degree",
    "sums",
    "mean_width",
    "least_width",
)

_Join = Callable[[Sequence[float]], float]


def walk_features(operations: Sequence[Operation]) -> list[float]:
    """The numbers of one cell, in the order of WALK_FEATURES; zeros for a cell without operations."""
    if not operations:
        return [0.0] * len(WALK_FEATURES)
    backward = [operation.sources for operation in operations]
    inner = [op.width for op in operations if op.kind not in (INPUT, OUTPUT, SKIP)] or [0.0]
    return [
        *walks(operations),
        *_spectrum(backward),
        float(sum(len(sources) > 1 for sources in backward)),
        _mean(inner),
        min(inner),
    ]


def walks(operations: Sequence[Operation]) -> list[float]:
    """How many operations of each kind lie between input and output, in the order of WALKS: on the mean over
    walks from the output, the same with its sources weighed by their widths, the mean over walks from the
    input, the most and the fewest.
    """
    kind_N = [operation.kind for operation in operations]
    backward = _Passage(kind_N, [operation.sources for operation in operations])
    last = len(operations) - 1
    # Numbered from the end, readers are sources.
    readers: list[list[int]] = [[] for _ in operations]
    for place, operation in enumerate(operations):
        for source in operation.sources:
            readers[last - source].append(last - place)
    forward = _Passage(kind_N[::-1], readers)
    final = operations[-1].sources
    widths = [operations[source].width for source in final]
    # Means of sums are sums of means: one kind at a time will do.
    kinds = {kind: backward.accumulate((kind,), _mean) for kind in _COUNTED}
    onward = {kind: forward.accumulate((kind,), _mean)[-1] for kind in _COUNTED}
    numbers: list[float] = []
    for walked in _WALKED.values():
        met = [sum(kinds[kind][source] for kind in walked) for source in (*final, last)]
        numbers += [
            met[-1],
            sum(width * mean for width, mean in zip(widths, met[:-1], strict=True)) / sum(widths),
            sum(onward[kind] for kind in walked),
            backward.accumulate(walked, max)[-1],
            backward.accumulate(walked, min)[-1],
        ]
    return numbers


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


class _Passage:
    """Places in the order in which they are passed, each behind those `before` it. What counts for nothing
    and has one place before it is passed over: more than half of a network.
    """

    def __init__(self, kind_N: Sequence[str], before: Sequence[Sequence[int]]) -> None:
        self._step_of: list[int] = []
        self._steps: list[tuple[str, list[int]]] = []
        for kind, sources in zip(kind_N, before, strict=True):
            if len(sources) == 1 and kind not in _COUNTED:
                self._step_of.append(self._step_of[sources[0]])
            else:
                self._step_of.append(len(self._steps))
                self._steps.append((kind, [self._step_of[source] for source in sources]))

    def accumulate(self, kinds: Sequence[str], join: _Join) -> list[float]:
        """At every place whether it is of these kinds, and what `join` makes of that of those before it."""
        total: list[float] = []
        for kind, sources in self._steps:
            own = 1.0 if kind in kinds else 0.0
            # Most places have one before them: what is joined is that one.
            if len(sources) == 1:
                total.append(own + total[sources[0]])
            else:
                total.append(own + (join([total[source] for source in sources]) if sources else 0.0))
        return [total[step] for step in self._step_of]


def _spectrum(before: Sequence[Sequence[int]]) -> tuple[float, float, float]:
    """Second smallest and largest eigenvalue of the Laplacian of the undirected graph; its mean degree."""
    laplacian_VV = np.zeros((len(before), len(before)))
    for place, sources in enumerate(before):
        for source in sources:
            laplacian_VV[[place, source], [source, place]] -= 1
            laplacian_VV[[place, source], [place, source]] += 1
    eigenvalues = np.linalg.eigvalsh(laplacian_VV)
    return float(eigenvalues[1]), float(eigenvalues[-1]), float(np.trace(laplacian_VV)) / len(before)
