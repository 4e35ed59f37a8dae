"""One training step: predict the parameters of several networks, run each on images, send the gradients
back into the GHN.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from service.ghn.batch import GraphBatch
from service.ghn.model import GHN
from training.ghn.architecture_source import Task
from training.loop.network_runner import NetworkRunner, Outcome, send_back


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
    send_back(predicted, outcomes)
    return outcomes
