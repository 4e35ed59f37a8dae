"""A small residual network, as the README and the tutorials use it. Nobody has trained it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def convolution(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)]


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *convolution(channels, channels), nn.ReLU(), *convolution(channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class Net(nn.Module):
    """For images (3, 32, 32), or of any size; ten classes unless told otherwise."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stages = nn.Sequential(
            *convolution(3, 32),
            nn.ReLU(),
            Residual(32),
            *convolution(32, 64, stride=2),
            nn.ReLU(),
            Residual(64),
        )
        self.head = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(x).mean((2, 3)))
