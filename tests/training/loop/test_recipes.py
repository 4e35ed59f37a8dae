"""Optimizers of one network's parameters by name."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.loop.recipes import AdamRecipe, Recipe, SgdRecipe


def parameters() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"conv": (4, 3, 2, 2), "bias": (4,), "unused": (2, 2)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def gradients(step: int, memory_format: torch.memory_format) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(step)
    conv = torch.randn(4, 3, 2, 2, generator=generator).contiguous(memory_format=memory_format)
    return {"conv": conv, "bias": torch.randn(4, generator=generator)}


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_adam_takes_the_steps_of_torch(memory_format: torch.memory_format) -> None:
    """However the gradients lie in memory: those of convolutions may have their channels last."""
    ours, theirs = parameters(), parameters()
    optimizer = AdamRecipe(weight_decay=0.1).optimizer(ours)
    groups = [{"params": [theirs["conv"]], "weight_decay": 0.1}, {"params": [theirs["bias"]]}]
    reference = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.99), weight_decay=0.0)
    for step in range(3):
        optimizer.step(gradients(step, memory_format), 0.01)
        for name, gradient in gradients(step, torch.contiguous_format).items():
            theirs[name].grad = gradient
        reference.step()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value)


@pytest.mark.parametrize("recipe", [SgdRecipe(), AdamRecipe()])
def test_the_state_of_one_optimizer_continues_in_another(recipe: Recipe) -> None:
    whole, parts = parameters(), parameters()
    optimizer, first = recipe.optimizer(whole), recipe.optimizer(parts)
    second = recipe.optimizer(parts)
    for step in range(4):
        optimizer.step(gradients(step, torch.contiguous_format), 0.01)
        if step == 2:
            for name, value in second.state().items():
                value.copy_(first.state()[name])
        (first if step < 2 else second).step(gradients(step, torch.contiguous_format), 0.01)
    for name, value in whole.items():
        assert torch.equal(parts[name], value)
