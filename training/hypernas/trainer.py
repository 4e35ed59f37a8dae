"""Training a HyperNAS predictor: the accuracy of observed cells and the weights of random ones, together.

Every step takes observations and random architectures, and one step of the optimiser on the multi-task
objective of both losses (paper 2509.18151, loss and training). The single-task variants have the one loss as
it is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from service.errors import InvalidInput, InvalidRequest
from service.models.catalog import find_card
from service.predictors.hypernas.batch import CellBatch
from service.predictors.hypernas.checkpoint import load_checkpoint
from service.predictors.hypernas.model import HyperNAS
from training.hypernas.cells import Floats, Observed
from training.hypernas.config import HyperNASRun
from training.hypernas.objective import AdaptiveObjective
from training.hypernas.weight_task import WeightTask
from training.loop.adam import AdamW, ParameterGroup
from training.loop.step_trainer import StepTrainer

_SCORED_AT_ONCE = 2048
# Numbers of the tasks in the objective.
_ACCURACY, _WEIGHTS = 0, 1
_LOSS_NAMES = ("accuracy_loss", "weight_loss")


class HyperNASTrainer(StepTrainer):
    def __init__(
        self, config: HyperNASRun, observations: Observed | None, cache_dir: Path | None = None
    ) -> None:
        if config.model.tasks != "weights" and observations is None:
            raise InvalidRequest("Predicting accuracy needs observations.", field="/observations")
        self.weight_task = WeightTask(config, cache_dir) if config.model.tasks != "accuracy" else None
        if self.weight_task is not None:
            config = config.for_classes(len(self.weight_task.dataset.classes))
        self.config, self.observations = config, observations
        model = config.model
        with torch.random.fork_rng():  # modules initialise themselves from the global generator
            torch.manual_seed(config.seed)
            self.hypernas = HyperNAS(model)
        if config.from_model is not None:
            copy_shared(load_checkpoint(find_card(config.from_model).path).hypernas, self.hypernas)
        self.objective = AdaptiveObjective(2, model.preference) if model.tasks == "both" else None
        trained: list[nn.Module] = [self.hypernas]
        if self.objective is not None:
            trained.append(self.objective)
        groups = [ParameterGroup(list(self.hypernas.parameters()), config.weight_decay)]
        if self.objective is not None:
            # A task's weight is no model weight: decay would draw it to where the loss has no minimum.
            groups.append(ParameterGroup(list(self.objective.parameters()), 0.0))
        dataset = None if self.weight_task is None else self.weight_task.dataset
        super().__init__(config, nn.ModuleList(trained), AdamW(groups), dataset)

    def backward(self) -> dict[str, float]:
        """The losses of a step."""
        losses: dict[int, Tensor] = {}
        record: dict[str, float] = {}
        if self.observations is not None and self.hypernas.regressor is not None:
            losses[_ACCURACY] = self._accuracy_loss(self.observations)
        if self.weight_task is not None and (not losses or self.step % self.config.weight_steps == 0):
            losses[_WEIGHTS], record["accuracy"] = self.weight_task.loss(self.hypernas, self.step)
        total = self.objective(losses) if self.objective is not None else next(iter(losses.values()))
        torch.autograd.backward(total)
        return {**record, **{_LOSS_NAMES[task]: float(loss.detach()) for task, loss in losses.items()}}

    def _accuracy_loss(self, seen: Observed) -> Tensor:
        """Mean squared error of a batch of observations: each epoch in an order of its own."""
        count, batch = len(seen), min(self.config.batch, len(seen))
        per_epoch = count // batch
        epoch, part = divmod(self.step, per_epoch)
        order = np.random.default_rng([self.config.seed, 7, epoch]).permutation(count)
        rows = torch.from_numpy(order[part * batch : (part + 1) * batch])
        generator = torch.Generator().manual_seed(1_000_003 * self.config.seed + self.step)
        score_B = self.hypernas.score(seen.cells[rows], generator)
        return F.mse_loss(score_B, seen.target_N[rows])


@torch.no_grad()
def scores(hypernas: HyperNAS, cells: CellBatch) -> Floats:
    """The score of every cell, higher is better."""
    parts = [
        hypernas.score(cells[slice(start, start + _SCORED_AT_ONCE)])
        for start in range(0, len(cells), _SCORED_AT_ONCE)
    ]
    return torch.cat(parts).double().numpy() if parts else np.zeros(0)


def copy_shared(source: HyperNAS, target: HyperNAS) -> None:
    """Copy the parameters that both have. Raises InvalidInput where their shapes differ."""
    state = source.state_dict()
    own = target.state_dict()
    shared = {name: value for name, value in state.items() if name in own}
    for name, value in shared.items():
        if value.shape != own[name].shape:
            raise InvalidInput(
                f"The model to start from has another shape of {name!r}: {tuple(value.shape)}, not "
                f"{tuple(own[name].shape)}.",
                hint="Start from a model of the same configuration.",
            )
    target.load_state_dict(shared, strict=False)
