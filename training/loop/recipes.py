"""How one network is trained: a recipe has the optimizer and all numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from training.loop.adam import AdamW, ParameterGroup


class Optimizer(Protocol):
    """Changes parameters in place."""

    def step(self, gradients: Mapping[str, Tensor], rate: float) -> None:
        """gradients: by the names of the parameters; one without stays as it is. rate: of this step."""

    def state(self) -> dict[str, Tensor]:
        """What it remembers, by name; whoever overwrites these tensors puts it where another one was."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe(ABC):
    """epochs: passes over the training images, or over the first `images` of them.

    The learning rate rises over a share `warmup` of the steps, and falls to zero along a cosine over all of
    them.
    """

    epochs: int = 1
    images: int | None = None
    batch_size: int = 96
    learning_rate: float
    warmup: float = 0.0
    weight_decay: float
    seed: int = 0

    @abstractmethod
    def optimizer(self, params: Mapping[str, Tensor]) -> Optimizer:
        """A fresh one for these parameters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SgdRecipe(Recipe):
    """SGD with momentum. GHN-2 paper, section 5 and table 3: a learning rate of 0.025 and batches of 96
    images. Momentum, weight decay and clipping are those of DARTS (Liu et al. 2019), which it follows.
    """

    learning_rate: float = 0.025
    weight_decay: float = 3e-4
    momentum: float = 0.9
    clip: float = 5.0

    def optimizer(self, params: Mapping[str, Tensor]) -> Optimizer:
        return _Sgd(params, self)


@dataclass(frozen=True, kw_only=True, slots=True)
class AdamRecipe(Recipe):
    """AdamW (Loshchilov and Hutter 2019). Weights of two or more axes decay."""

    learning_rate: float = 0.001
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.99)

    def optimizer(self, params: Mapping[str, Tensor]) -> Optimizer:
        return _Adam(params, self)


class _Sgd:
    def __init__(self, params: Mapping[str, Tensor], recipe: SgdRecipe) -> None:
        self._params, self._recipe = params, recipe
        self._momenta = {name: torch.zeros_like(value) for name, value in params.items()}

    def step(self, gradients: Mapping[str, Tensor], rate: float) -> None:
        recipe = self._recipe
        norm = float(torch.nn.utils.get_total_norm(gradients.values()))
        scale = min(1.0, recipe.clip / (norm + 1e-6))
        with torch.no_grad():
            for name, gradient in gradients.items():
                step = gradient.mul_(scale).add_(self._params[name], alpha=recipe.weight_decay)
                self._momenta[name].mul_(recipe.momentum).add_(step)
                self._params[name].sub_(self._momenta[name], alpha=rate)

    def state(self) -> dict[str, Tensor]:
        return {f"momentum.{name}": value for name, value in self._momenta.items()}


class _Adam:
    def __init__(self, params: Mapping[str, Tensor], recipe: AdamRecipe) -> None:
        self._params = params
        decaying = [value for value in params.values() if value.ndim > 1]
        others = [value for value in params.values() if value.ndim <= 1]
        groups = [ParameterGroup(decaying, recipe.weight_decay), ParameterGroup(others, 0.0)]
        self._adam = AdamW(groups, betas=recipe.betas)

    def step(self, gradients: Mapping[str, Tensor], rate: float) -> None:
        for name, gradient in gradients.items():
            self._params[name].grad = gradient
        self._adam.step(rate)
        self._adam.zero_grad()

    def state(self) -> dict[str, Tensor]:
        for parameter in self._params.values():
            self._adam.state_of(parameter)
        return self._adam.named_state(self._params.items())
