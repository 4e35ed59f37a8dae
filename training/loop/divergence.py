"""How a training ends whose numbers have left all bounds: it says at which step, and what to lower."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor

from service.errors import TrainingDiverged

# Nats. Guessing among a million classes costs 14; nothing is learned from weights that are this far off.
LARGEST_LOSS = 1e6
# What is proposed in place of a learning rate that was too high.
_LOWER = 10
# Steps without a finite loss, one after the other, that are no accident any more.
_LOST_IN_A_ROW = 20


def diverged(what: str, *, step: int, steps: int, epoch: int, learning_rate: float) -> TrainingDiverged:
    """what: "The loss is nan". step: counted from 1; 0 for the weights that training starts from."""
    if step <= 1:
        return TrainingDiverged(
            f"{what} before the first update: the network computes nothing useful with the weights that it "
            "starts from.",
            field="/start", step=step, steps=steps, epoch=epoch,
            hint="Choose another start, or give the network normalisation layers.",
        )  # fmt: skip
    return TrainingDiverged(
        f"{what} at step {step} of {steps} (epoch {epoch}): the training diverged.",
        field="/learning_rate", step=step, steps=steps, epoch=epoch,
        hint=f"Lower learning_rate, which was {learning_rate:g}, to {learning_rate / _LOWER:g} or less.",
    )  # fmt: skip


def is_lost(loss: float) -> bool:
    """Whether a loss is beyond all bounds, or no number."""
    return not abs(loss) <= LARGEST_LOSS


def all_finite(params: Mapping[str, Tensor]) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in params.values())


class LossWatch:
    """Watches a training whose single steps may fail, as random networks may have no finite loss: it ends
    when so many in a row do.
    """

    def __init__(self, learning_rate: float) -> None:
        self._rate = learning_rate
        self._lost, self._seen = Counter[str](), Counter[str]()

    def see(self, step: int, losses: Mapping[str, float]) -> None:
        """losses: of one step, by name. Raises TrainingDiverged."""
        for name, loss in losses.items():
            self._seen[name] += 1
            self._lost[name] = self._lost[name] + 1 if is_lost(loss) else 0
            if self._lost[name] >= _LOST_IN_A_ROW:
                raise self._diverged(name, step)

    def end(self, step: int) -> None:
        """Raises TrainingDiverged where a short training had no step with a finite loss."""
        for name, lost in self._lost.items():
            if lost and lost == self._seen[name]:
                raise self._diverged(name, step)

    def _diverged(self, name: str, step: int) -> TrainingDiverged:
        count = self._lost[name]
        steps = "step" if count == 1 else f"{count} steps"
        return TrainingDiverged(
            f"The {name.replace('_', ' ')} of the last {steps} up to step {step} is not finite, or beyond "
            "all bounds: the training diverged.",
            field="/learning_rate", step=step,
            hint=f"Lower learning_rate, which was {self._rate:g}, to {self._rate / _LOWER:g} or less.",
        )  # fmt: skip
