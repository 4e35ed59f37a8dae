"""Weights before batch norms are scaled, and the network computes the same."""

from __future__ import annotations

import torch
from torch import nn

from service.executor.networks import Network
from service.graph_io.torch_tracer import trace
from training.finetune.scale_before_norms import scaled_before_norms
from training.loop.network_training import random_parameters


def test_the_scale_changes_and_what_is_computed_does_not() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip
    graph = trace(module, input_shape=(3, 8, 8))
    params = random_parameters(graph, seed=1)
    scaled = scaled_before_norms(graph, params)
    changed = {name for name, value in params.items() if not torch.equal(value, scaled[name])}
    assert changed == {"0.weight", "3.weight"}  # no norm follows the others
    for name, fan_in in (("0.weight", 27), ("3.weight", 36)):
        torch.testing.assert_close(scaled[name].std(correction=0), torch.tensor((3 * fan_in) ** -0.5))
    images = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    before, after = (Network(graph)(images, each) for each in (params, scaled))
    torch.testing.assert_close(before, after, rtol=1e-3, atol=1e-4)


def test_a_weight_that_others_read_too_stays() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            inner = self.conv(x)
            return inner + self.norm(inner)

    graph = trace(Both(), input_shape=(3, 8, 8))
    params = random_parameters(graph)
    assert all(torch.equal(value, params[name]) for name, value in scaled_before_norms(graph, params).items())
