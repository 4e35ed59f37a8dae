"""How wide and how deep a network is at each resolution: what engineers choose stage by stage.

Sums over a whole network cannot tell wide early layers from wide late ones, which are worth very different
amounts. A stage is all layers whose output has the same size, up to a factor of two an axis, against the
input's.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log1p, log2, log10, prod

from service.predictors.features.network_cost import Operation

# 224x224 images come down to 7x7 in five halvings.
STAGES = 6
_EACH = ("log_first_width", "log_last_width", "log_convs", "log_multiply_adds")

STAGE_FEATURES: tuple[str, ...] = tuple(
    f"stage_{number}_{feature}" for number in range(STAGES) for feature in _EACH
)


def stage_features(operations: Iterable[Operation], input_shape: tuple[int, ...]) -> list[float]:
    """The numbers of one network, in the order of STAGE_FEATURES; zeros for stages that it has not, and for a
    network of unknown input.
    """
    widths: list[list[int]] = [[] for _ in range(STAGES)]
    work = [0] * STAGES
    positions = prod(input_shape[1:]) if input_shape else 0
    for operation in operations:
        weight, after = operation.weight, prod(operation.after)
        if weight is None or not operation.after or not positions or len(weight.canonical_shape) < 3:
            continue
        halvings = round(log2(max(1.0, positions / after)) / len(operation.after))
        stage = min(halvings, STAGES - 1)
        work[stage] += operation.multiply_adds
        if weight.canonical_shape[1] == operation.channels_in:  # not of groups, whose width is not their own
            widths[stage].append(operation.channels)
    row: list[float] = []
    for width, multiply_adds in zip(widths, work, strict=True):
        first, last = (width[0], width[-1]) if width else (0, 0)
        row += [log1p(first), log1p(last), log1p(len(width)), log10(1 + multiply_adds)]
    return row
