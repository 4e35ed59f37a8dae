"""What a search brought: its best architectures and random ones, trained (GHN-1 paper, figure 4)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, variance

from scipy.stats import t

from service.contract.training_results import Mean, TrainedGroup, TrainedGroups

CONFIDENCE = 0.9


def compared(best: Sequence[float], drawn: Sequence[float], *, epochs: int) -> TrainedGroups:
    """Of each group the values, their mean and its 90% interval; of the difference of the means the same, by
    Welch's t, which lets the groups spread differently. Two values a group or more. epochs: of the
    trainings.
    """
    low, high = _interval(fmean(best) - fmean(drawn), [best, drawn])
    return TrainedGroups(
        epochs=epochs,
        best=_group(best),
        random=_group(drawn),
        difference=Mean(mean=fmean(best) - fmean(drawn), interval=[low, high]),
    )


def _group(values: Sequence[float]) -> TrainedGroup:
    mean = fmean(values)
    return TrainedGroup(values=list(values), mean=mean, interval=list(_interval(mean, [values])))


def _interval(mean: float, groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Of a sum or difference of the groups' means."""
    parts = [variance(values) / len(values) for values in groups]
    total = sum(parts)
    if total == 0:
        return mean, mean
    # Welch and Satterthwaite; for one group n - 1.
    degrees = total**2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, groups, strict=True))
    half = float(t.ppf((1 + CONFIDENCE) / 2, degrees)) * total**0.5
    return mean - half, mean + half
