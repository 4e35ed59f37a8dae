"""One training step: predict the parameters of several networks, run each on images, send the gradients
back into the GHN.

The networks of a meta-batch run side by side, one thread each: their operators are too small for several
threads to share.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from service.executor.networks import Network
from service.ghn.batch import GraphBatch
from service.ghn.model import GHN
from training.ghn.architecture_source import Task
from training.loop.exit_loss import mean_loss


def begin_thread() -> None:
    """Prepare a thread for training.

    A second thread inside one operator mostly spins: the operators are small. The optimizer's averages of
    parameters that are seldom used decay into denormal numbers, which take a hundred times as long to add.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect cyclic garbage rarely. Graphs are made of many objects that live on: looking through them took
    a twentieth of a step.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one network on its images; gradients of the mean loss by parameter name, none if the loss was not
    finite.
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
        tasks: Sequence[Task],
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

    def _one(self, task: Task, params: dict[str, Tensor], images: Tensor, labels: Tensor) -> Outcome:
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


def accumulate(
    ghn: GHN, tasks: Sequence[Task], data: Sequence[tuple[Tensor, Tensor]], runner: NetworkRunner
) -> list[Outcome]:
    """Add the gradient of the networks' summed loss to the GHN's parameters. Networks with a non-finite
    loss are left out.
    """
    if not tasks:
        return []
    batch = GraphBatch.from_graphs([task.primitives for task in tasks], ghn.config).to(runner.device)
    predicted = ghn.predict_tensors(batch)
    outcomes = runner.run(tasks, predicted, data)
    outputs, gradients = [], []
    for tensors, outcome in zip(predicted, outcomes, strict=True):
        for name, gradient in outcome.gradients.items():
            outputs.append(tensors[name])
            gradients.append(gradient)
    if outputs:
        torch.autograd.backward(outputs, gradients)
    return outcomes
