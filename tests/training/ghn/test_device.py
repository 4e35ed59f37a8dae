"""A training step on a GPU that is simulated (tests/simulated_gpu.py): tensors are where they should be, and
what is learned is what a CPU learns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
import torch
from torch import Tensor

from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from service.graph_io.primitives import to_primitives
from service.graph_io.read import read_document
from tests.simulated_gpu import CUDA, SimulatedGpu
from training.ghn.architecture_source import Task
from training.ghn.learned import Learned
from training.ghn.recipe import TrainConfig
from training.ghn.step import accumulate
from training.loop.network_runner import NetworkRunner

CONFIG = GHNConfig(hidden=8, max_channels=8, max_kernel=3)
TRAINING = TrainConfig(name="gpu", data="digits", steps=2)
CPU = torch.device("cpu")
# One state of every cell is zeros, because nothing reaches it, and is concatenated with another.
_CELL = [["none", 0], ["none", 1], ["sep_conv_3x3", 0], ["skip_connect", 1]]
DARTS = {
    "format": "darts",
    "genotype": {"normal": _CELL, "normal_concat": [2, 3], "reduce": _CELL, "reduce_concat": [2, 3]},
    "channels": 4,
    "cells": 3,
}
CELL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


class OneThread:
    """A pool whose only thread is the caller's: a simulation holds for one thread."""

    def __init__(self, threads: int, initializer: Callable[[], object]) -> None:
        assert threads == 1

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(function(*arguments))
        return done


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("training.loop.network_runner.ThreadPoolExecutor", OneThread)
    yield


def tasks() -> list[Task]:
    graphs = [read_document(document) for document in (DARTS, {"format": "nasbench201", "cell": CELL})]
    return [Task(graph=graph, primitives=to_primitives(graph), cost=1.0) for graph in graphs]


def images() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(4, 3, 16, 16, generator=generator), torch.randint(10, (4,), generator=generator))
        for _ in range(2)
    ]


def learn(device: torch.device) -> tuple[list[float], dict[str, Tensor]]:
    """Losses of a step in double precision, and all that was learned, as a checkpoint holds it."""
    torch.manual_seed(0)
    learned = Learned(GHN(CONFIG).double(), TRAINING, device)
    runner = NetworkRunner(1, torch.float64, 10.0, device)
    outcomes = accumulate(learned.ghn, tasks(), images(), runner)
    learned.gradients()
    torch.nn.utils.clip_grad_norm_(learned.ghn.parameters(), 5.0)
    learned.update(1e-3, age=0)
    again = Learned(GHN(CONFIG).double(), TRAINING, device)
    again.fill(learned.tensors())
    assert all(value.device == device for value in again.gradients())
    assert all(parameter.device == CPU for parameter in learned.averaged().parameters())
    return [outcome.loss for outcome in outcomes], again.tensors()


def test_a_gpu_learns_what_a_cpu_learns() -> None:
    losses, wanted = learn(CPU)
    with SimulatedGpu() as gpu:
        found_losses, found = learn(CUDA)
        assert gpu.operations > 1000
    assert found_losses == pytest.approx(losses, rel=1e-6)
    assert found.keys() == wanted.keys() and any(name.startswith("adam.exp_avg") for name in wanted)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-7, msg=name)
