"""What training has learned: the GHN's weights, their running average, and the state of the optimizer."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from service.ghn.model import GHN
from training.ghn.recipe import TrainConfig
from training.loop.adam import AdamW, ParameterGroup
from training.loop.run_folder import part


class Learned:
    """ghn: what is trained, on `device`. average: its parameters' running averages, in the same order, which
    are what is saved as the model.
    """

    def __init__(self, ghn: GHN, config: TrainConfig, device: torch.device) -> None:
        self.ghn, self.device, self._ema = ghn.to(device), device, config.ema
        self.average = [parameter.detach().clone() for parameter in ghn.parameters()]
        group = ParameterGroup(list(ghn.parameters()), config.weight_decay)
        self.optimizer = AdamW([group], betas=(0.9, 0.99))

    def gradients(self) -> list[Tensor]:
        """Of every parameter, in order; zeros where nothing came back."""
        for parameter in self.ghn.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [parameter.grad for parameter in self.ghn.parameters() if parameter.grad is not None]

    def update(self, rate: float, *, age: int) -> None:
        """One step of the optimizer, and of the average, which follows quickly while its age in steps is
        small.
        """
        self.optimizer.step(rate)
        decay = min(self._ema, (1 + age) / (10 + age))
        torch._foreach_lerp_(
            self.average, [parameter.detach() for parameter in self.ghn.parameters()], 1 - decay
        )

    def averaged(self) -> GHN:
        """The GHN of the averaged weights, on the CPU."""
        ghn = GHN(self.ghn.config)
        with torch.no_grad():
            for parameter, value in zip(ghn.parameters(), self.average, strict=True):
                parameter.copy_(value)
        return ghn.requires_grad_(False).eval()

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name, as a checkpoint holds it."""
        return {name: value.detach().cpu().contiguous() for name, value in self._named()}

    def _named(self) -> Iterator[tuple[str, Tensor]]:
        for (name, parameter), average in zip(self.ghn.named_parameters(), self.average, strict=True):
            yield f"ghn.{name}", parameter
            yield f"average.{name}", average
        for name, value in self.optimizer.named_state(self.ghn.named_parameters()).items():
            yield f"adam.{name}", value

    @torch.no_grad()
    def fill(self, tensors: dict[str, Tensor]) -> None:
        """Set what is given of it."""
        weights, averages = part(tensors, "ghn."), part(tensors, "average.")
        for (name, parameter), average in zip(self.ghn.named_parameters(), self.average, strict=True):
            if weights:
                parameter.copy_(weights[name])
            if averages:
                average.copy_(averages[name])
        self.optimizer.set_named_state(self.ghn.named_parameters(), part(tensors, "adam."))
