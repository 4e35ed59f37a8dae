"""Networks with outside parameters compute what the same torch modules compute."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from service.errors import UnsupportedOperator
from service.executor.depthwise import depthwise
from service.executor.networks import Network
from service.executor.statistics import BatchStatistics
from service.graph_io.archgraph import ArchGraph, Node
from service.graph_io.cells.darts import read_darts
from service.graph_io.checks import build_graph
from training.data.deepnets import architecture_graph


def random_parameters(graph: ArchGraph, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        p.name: (0.3 * torch.randn(p.shape, generator=generator)).requires_grad_()
        for node in graph.nodes
        for p in node.params
    }


def network(operation: str, **options: Any) -> ArchGraph:
    genotype = {
        "normal": [[operation, 0], ["none", 1]],
        "normal_concat": [2],
        "reduce": [["skip_connect", 0], ["none", 1]],
        "reduce_concat": [2],
    }
    return read_darts(
        {
            "format": "darts",
            "genotype": genotype,
            "channels": 16,
            "cells": 3,
            "channel_multiplier": 1,
            **options,
        }
    )


class Reference(nn.Module):
    """Three cells whose only operation, in the first one, is a separable convolution; written out by hand."""

    def __init__(self, params: dict[str, Tensor]) -> None:
        super().__init__()
        self.p = params

    def norm(self, x: Tensor, name: str) -> Tensor:
        return F.batch_norm(x, None, None, self.p[f"{name}.weight"], self.p[f"{name}.bias"], training=True)

    def preprocess(self, x: Tensor, name: str) -> Tensor:
        return self.norm(F.conv2d(F.relu(x), self.p[f"{name}.op.1.weight"]), f"{name}.op.2")

    def factorized(self, x: Tensor, name: str) -> Tensor:
        x = F.relu(x)
        halves = [
            F.conv2d(x, self.p[f"{name}.conv_1.weight"], stride=2),
            F.conv2d(x[:, :, 1:, 1:], self.p[f"{name}.conv_2.weight"], stride=2),
        ]
        return self.norm(torch.cat(halves, 1), f"{name}.bn")

    def forward(self, x: Tensor) -> Tensor:
        p = self.p
        stem = self.norm(F.conv2d(x, p["stem.0.weight"], padding=1), "stem.1")
        y = self.preprocess(stem, "cells.0.preprocess0")
        for first in (1, 5):
            name = "cells.0._ops.0.op."
            y = F.conv2d(F.relu(y), p[f"{name}{first}.weight"], padding=1, groups=16)
            y = self.norm(F.conv2d(y, p[f"{name}{first + 1}.weight"]), f"{name}{first + 2}")
        # Cell 1 reads the stem, at half the resolution; cell 2 the first cell, which is twice as large as
        # cell 1.
        y = self.factorized(self.factorized(y, "cells.2.preprocess0"), "cells.2._ops.0")
        y = y.mean((2, 3))
        return F.linear(y, p["classifier.0.weight"], p["classifier.0.bias"])


def test_forward_and_gradients_agree_with_modules_by_hand() -> None:
    graph = network("sep_conv_3x3")
    # In float64: gradients through batch normalisations cancel, and float32 would leave differences of a
    # percent.
    params = {
        name: value.detach().double().requires_grad_() for name, value in random_parameters(graph).items()
    }
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(1)).double()
    ours, reference = Network(graph)(images, params), Reference(params)(images).float()
    torch.testing.assert_close(ours, reference, rtol=1e-4, atol=1e-4)
    gradients = [
        torch.autograd.grad(F.cross_entropy(logits, torch.arange(8)), list(params.values()))
        for logits in (ours, reference)
    ]
    for mine, other in zip(*gradients, strict=True):
        assert float((mine - other).norm() / other.norm()) < 1e-4


@pytest.mark.parametrize("split", ["train", "dense", "bn-free"])
@pytest.mark.parametrize("size", [16, 32])
def test_random_networks_run_and_send_gradients_to_every_parameter(split: str, size: int) -> None:
    for index in range(3):
        graph = architecture_graph(split, 1, index)
        if graph.num_parameters > 3e6:
            continue
        params = random_parameters(graph)
        logits = Network(graph)(torch.randn(2, 3, size, size), params)
        assert logits.shape == (2, 10)
        found = torch.autograd.grad(logits.square().sum(), list(params.values()), allow_unused=True)
        assert all(gradient is not None for gradient in found)


@pytest.mark.parametrize("operation", ["msa", "cse", "conv_7x1_1x7", "dil_conv_5x5"])
def test_bfloat16_is_close_to_float32(operation: str) -> None:
    graph = network(operation, global_pool=False)
    params = random_parameters(graph)
    images = torch.randn(8, 3, 32, 32)
    full, half = Network(graph)(images, params), Network(graph)(images.bfloat16(), params)
    assert half.dtype == torch.float32
    assert float((full - half).detach().norm() / full.detach().norm()) < 0.05


@pytest.mark.parametrize(
    ("size", "kernel", "dilation", "stride"),
    [(16, 5, 1, 1), (8, 5, 2, 1), (4, 3, 2, 1), (7, 3, 2, 1), (16, 5, 2, 2)],
)
def test_block_diagonal_depthwise_convolution(size: int, kernel: int, dilation: int, stride: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 32, size, size, generator=generator).bfloat16().requires_grad_()
    w = torch.randn(32, 1, kernel, kernel, generator=generator).requires_grad_()
    padding = dilation * (kernel - 1) // 2
    ours = depthwise(x, w, (stride, stride), (padding, padding), (dilation, dilation))
    exact = F.conv2d(x.float(), w.bfloat16().float(), None, stride, padding, dilation, 32)
    torch.testing.assert_close(ours.float(), exact, rtol=0.02, atol=0.05)
    weights = torch.randn(ours.shape, generator=generator)
    mine = torch.autograd.grad((ours.float() * weights).sum(), (x, w))
    other = torch.autograd.grad((exact * weights).sum(), (x, w))
    for a, b in zip(mine, other, strict=True):
        assert float((a.float() - b.float()).norm() / b.float().norm()) < 0.02


def test_gathered_statistics_replace_those_of_the_batch() -> None:
    graph = network("conv_3x3")
    params = random_parameters(graph)
    images = torch.randn(32, 3, 16, 16)
    statistics = BatchStatistics()
    run = Network(graph)
    by_batch = run(images, params, statistics)
    statistics.gathering = False
    # The statistics of one batch, used on that batch: the same but for the unbiased variance.
    torch.testing.assert_close(run(images, params, statistics), by_batch, rtol=0.01, atol=0.01)
    assert run(images[:1], params, statistics).shape == (1, 10)


def test_memory_does_not_grow_with_parameters_that_are_not_used() -> None:
    graph = network("conv_3x3")
    params = random_parameters(graph)
    expected = Network(graph)(torch.ones(2, 3, 16, 16), params)
    more = {**params, "elsewhere.weight": torch.zeros(1)}
    torch.testing.assert_close(Network(graph)(torch.ones(2, 3, 16, 16), more), expected)


def test_an_operator_that_cannot_be_run_is_named() -> None:
    graph = build_graph([Node("x", "input"), Node("odd", "recurrent", ("x",))])
    with pytest.raises(UnsupportedOperator) as refused:
        Network(graph)
    assert refused.value.extra["node"] == "odd"
