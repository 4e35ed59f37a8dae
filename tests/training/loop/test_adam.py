"""AdamW takes torch's steps, bit for bit, and without torch's compiler."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from training.loop.adam import ADAM_STATE, AdamW, ParameterGroup

RATES = (0.01, 0.02, 0.005)


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(size, generator=generator)) for size in ((3, 4), (5,), (2, 2))]


def test_it_takes_the_steps_of_torch() -> None:
    ours, theirs = parameters(), parameters()
    optimizer = AdamW(
        [ParameterGroup(ours[:1], 0.1), ParameterGroup(ours[1:], 0.0, rate_share=0.5)], betas=(0.9, 0.99)
    )
    groups = [{"params": theirs[:1], "weight_decay": 0.1}, {"params": theirs[1:], "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True)
    for number, rate in enumerate(RATES):
        optimizer.zero_grad()
        for mine, other in zip(ours[: number + 1], theirs, strict=False):  # the last ones get theirs later
            mine.grad = torch.sin(mine.detach() + number)
            other.grad = mine.grad.clone()
        optimizer.step(rate)
        for group, share in zip(reference.param_groups, (1.0, 0.5), strict=True):
            group["lr"] = rate * share
        reference.step()
        for mine, other in zip(ours, theirs, strict=True):
            assert torch.equal(mine, other), number
    for mine, other in zip(ours, theirs, strict=True):
        assert optimizer.state[mine].keys() == reference.state[other].keys() == set(ADAM_STATE)
        for key, value in reference.state[other].items():
            assert torch.equal(optimizer.state[mine][key], value), key


def test_a_parameter_without_a_gradient_stays() -> None:
    (first, *_) = ours = parameters()
    before = first.detach().clone()
    optimizer = AdamW([ParameterGroup(ours, 0.1)])
    optimizer.step(0.1)
    assert torch.equal(first, before) and not optimizer.state


CODE = """
import sys, tempfile
from pathlib import Path
from training.ghn.recipe import Stage, TrainConfig
from training.ghn.trainer import train
stage = Stage(image_size=8, cost=5, most_channels=16, meta_batch=1, images=8)
ghn = {"hidden": 8, "max_channels": 8}
config = TrainConfig(name="x", data="digits", steps=1, ghn=ghn, stages=(stage,), validate_networks=0)
train(config, Path(tempfile.mkdtemp()) / "run")
print(sorted({"torch._dynamo", "torch._inductor", "scipy", "sklearn", "pandas"} & sys.modules.keys()))
"""


def test_a_training_loads_neither_torchs_compiler_nor_scikit_learn() -> None:
    """Together they take longer to import than all else that a training on digits does in its first steps."""
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
