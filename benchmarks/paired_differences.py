"""Which measurements of the same networks can be subtracted from each other, and the table of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from training.data.deepnets import WIDENED
from training.evaluate.accuracy import Scores
from training.evaluate.measurements import RANDOM, Evaluation, Results


@dataclass(frozen=True, slots=True)
class Pair:
    """above: of the first over the second, network by network."""

    split: str
    what: str
    above: Scores


def pairs(results: Results, current: Collection[Evaluation]) -> list[Pair]:
    """All pairs of measurements that differ in one thing: the widths of the networks, the statistics of batch
    norms, the number of test images, the numbers' type, or the model. Two networks at least.

    current: the evaluations that the page shows; each is compared with any other.
    """
    matches = []
    for base in sorted(current, key=lambda entry: (entry.split, entry.method, entry.bn)):
        for other in results.by_evaluation:
            what = _difference(other, base)
            above = results.differences(other, base)
            if what and len(above.accuracies) > 1:
                matches.append(Pair(other.split, what, above))
    return matches


def _difference(other: Evaluation, base: Evaluation) -> str:
    """What the one thing is; "" where there is another, or none."""
    if base.method == RANDOM or other.method == RANDOM or base.epochs or other.epochs:
        return ""
    name = base.method + (", recalibrated" if base.bn == "recalibrate" else "")
    if base.split == "id-test" and other == replace(base, split=WIDENED):
        return f"{name}: the same networks wider, above ID-TEST"
    if other == replace(base, bn=other.bn, calibration_batches=other.calibration_batches):
        recalibrated = other.bn == "recalibrate" and base.bn == "batch"
        return f"{base.method}: recalibrated, above batch statistics" if recalibrated else ""
    if other == replace(base, images=0):
        return f"{name}: all test images, above {base.images:,} of them" if base.images else ""
    if other == replace(base, dtype=other.dtype):
        return f"{name}: {other.dtype}, above {base.dtype}" if base.dtype != other.dtype else ""
    if other == replace(base, method=other.method, digest=other.digest):
        return f"{other.method}, above {name}" if other.method > base.method else ""
    return ""


def paired_table(matches: list[Pair]) -> str:
    lines = ["| split | what | networks | difference |", "| --- | --- | ---: | ---: |"]
    lines += [
        f"| {pair.split} | {pair.what} | {len(pair.above.accuracies)} | {pair.above:+.2f} |"
        for pair in matches
    ]
    return "\n".join(lines) + "\n"
