"""How a training ends whose numbers have left all bounds: it says at which step, and what to lower."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from service.errors import ServiceError

# Nats. Guessing among a million classes costs 14; nothing is learned from weights that are this far off.
LARGEST_LOSS = 1e6
# What is proposed in place of a learning rate that was too high.
_LOWER = 10


class TrainingDiverged(ServiceError):
    """extra: `field`, `step` (of how many `steps`), `epoch`."""

    code, title = "training-diverged", "The training diverged"


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
    return not loss <= LARGEST_LOSS


def all_finite(params: Mapping[str, Tensor]) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in params.values())
