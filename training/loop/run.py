"""Steps until a budget is used or a signal comes, with records and checkpoints in the folder of the run."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from service.errors import InvalidRequest
from training.job import Report
from training.loop.adam import AdamW
from training.loop.divergence import LossWatch
from training.loop.interruption import Interruption
from training.loop.run_folder import RunFolder, part

# Slow steps are told of more often than every so many of them.
LOG_SECONDS = 10.0


class Steps(Protocol):
    """A trainer. progress: share of the budget that is used. seconds: of training, resumptions included."""

    step: int
    seconds: float

    @property
    def progress(self) -> float: ...

    def train_step(self) -> dict[str, float]:
        """One step; what was measured in it, not the same in every step."""
        ...

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]: ...

    def restore(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None: ...


def train_until_done(
    trainer: Steps, records: RunFolder, config: dict[str, Any], *,
    learning_rate: float, log_steps: int, checkpoint_minutes: float, on_progress: Report,
) -> bool:  # fmt: skip
    """Go on from the folder's newest checkpoint. Returns whether the budget is used; if not, a signal came.

    learning_rate: the highest, for the message of a training that diverges. on_progress: gets every record of
    `metrics.jsonl`.

    Raises TrainingDiverged where the losses (measurements named `loss` or `..._loss`) are lost.
    """
    checkpoint = records.load()
    if checkpoint is not None:
        trainer.restore(*checkpoint)
    records.write_config(config)
    last_save = last_log = trainer.seconds
    recent: list[dict[str, float]] = []
    interruption, watch = Interruption(), LossWatch(learning_rate)
    with interruption.by_signals():
        while trainer.progress < 1 and not interruption.requested:
            recent.append(trainer.train_step())
            watch.see(trainer.step, {name: of for name, of in recent[-1].items() if name.endswith("loss")})
            is_due = trainer.step % log_steps == 0 or trainer.seconds - last_log > LOG_SECONDS
            if is_due or trainer.progress >= 1:
                record = {
                    "kind": "train",
                    "step": trainer.step,
                    **{key: round(value, 6) for key, value in _means(recent).items()},
                    "seconds": round(trainer.seconds, 1),
                    "progress": round(min(1.0, trainer.progress), 5),
                }
                records.log(record)
                on_progress(record)
                recent, last_log = [], trainer.seconds
            if trainer.seconds - last_save > 60 * checkpoint_minutes:
                records.save(trainer.step, *trainer.state())
                last_save = trainer.seconds
    if trainer.progress >= 1:
        watch.end(trainer.step)
    records.save(trainer.step, *trainer.state())
    return trainer.progress >= 1


def trained_tensors(module: nn.Module, optimizer: AdamW) -> dict[str, Tensor]:
    """Parameters and what Adam knows of them."""
    weights = {f"model.{name}": parameter.detach() for name, parameter in module.named_parameters()}
    adam = optimizer.named_state(module.named_parameters())
    named = weights | {f"adam.{name}": value for name, value in adam.items()}
    return {name: value.contiguous() for name, value in named.items()}


@torch.no_grad()
def restore_trained(module: nn.Module, optimizer: AdamW, tensors: dict[str, Tensor]) -> None:
    """Put back what `trained_tensors` gave. Raises InvalidRequest for what is of another module."""
    weights = part(tensors, "model.")
    own = {name: parameter.shape for name, parameter in module.named_parameters()}
    if own != {name: value.shape for name, value in weights.items()}:
        raise InvalidRequest(
            "The run that there is trains another model.",
            field="/name",
            hint="Go on with it under the options with which it began, or choose another name.",
        )
    for name, parameter in module.named_parameters():
        parameter.copy_(weights[name])
    optimizer.set_named_state(module.named_parameters(), part(tensors, "adam."))


def _means(records: list[dict[str, float]]) -> dict[str, float]:
    """Of every number over the steps that have it."""
    names = dict.fromkeys(name for record in records for name in record)
    return {name: float(np.mean([record[name] for record in records if name in record])) for name in names}
