"""Networks with parameters from outside, run forward and backward on images, side by side.

One thread each: their operators are too small for several threads to share.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import torch
from torch import Tensor

from service.executor.networks import Network
from service.graph_io.archgraph import ArchGraph
from training.loop.exit_loss import mean_loss
from training.loop.small_operators import begin_thread


class Runnable(Protocol):
    """cost: any measure of how long a network runs; the most expensive start first."""

    @property
    def graph(self) -> ArchGraph: ...
    @property
    def cost(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one network on its images: the mean loss, the share that is classified correctly, and gradients of
    the mean loss by parameter name, none if the loss was not finite.
    """

    loss: float
    accuracy: float
    gradients: dict[str, Tensor]

    @property
    def finite(self) -> bool:
        return bool(self.gradients)


class NetworkRunner:
    """Runs networks forward and backward on `threads` threads.

    clip: largest norm of one network's gradient. A network without normalisation may have one ten thousand
    times that of the others; clipping only the sum would lose what the others say.
    """

    def __init__(
        self, threads: int, dtype: torch.dtype, clip: float, device: torch.device | str = "cpu"
    ) -> None:
        self.dtype, self.clip, self.device = dtype, clip, device
        self._pool = ThreadPoolExecutor(threads, initializer=begin_thread)

    def run(
        self,
        tasks: Sequence[Runnable],
        params: Sequence[dict[str, Tensor]],
        data: Sequence[tuple[Tensor, Tensor]],
    ) -> list[Outcome]:
        """Outcomes in the order of the tasks; the most expensive start first, so that the threads end
        together.
        """
        order = sorted(range(len(tasks)), key=lambda index: -tasks[index].cost)
        futures = {
            index: self._pool.submit(self._one, tasks[index], params[index], *data[index]) for index in order
        }
        return [futures[index].result() for index in range(len(tasks))]

    def _one(self, task: Runnable, params: dict[str, Tensor], images: Tensor, labels: Tensor) -> Outcome:
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        images, labels = images.to(self.device, self.dtype), labels.to(self.device)
        answers = Network(task.graph).answers(images, leaves)
        logits, loss = answers[-1], mean_loss(answers, labels)
        accuracy = float((logits.argmax(1) == labels).float().mean())
        value = float(loss.detach())
        if not torch.isfinite(loss):
            return Outcome(value, accuracy, {})
        slopes = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        gradients = {
            name: gradient for name, gradient in zip(leaves, slopes, strict=True) if gradient is not None
        }
        norm = float(torch.nn.utils.get_total_norm(gradients.values()))
        if not isfinite(norm):
            return Outcome(value, accuracy, {})
        if norm > self.clip:
            torch._foreach_mul_(list(gradients.values()), self.clip / norm)
        return Outcome(value, accuracy, gradients)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def send_back(predicted: Sequence[dict[str, Tensor]], outcomes: Sequence[Outcome]) -> None:
    """Add the gradient of the networks' summed loss to what predicted their parameters. Networks with a
    non-finite loss are left out.
    """
    outputs, gradients = [], []
    for tensors, outcome in zip(predicted, outcomes, strict=True):
        for name, gradient in outcome.gradients.items():
            outputs.append(tensors[name])
            gradients.append(gradient)
    if outputs:
        torch.autograd.backward(outputs, gradients)
