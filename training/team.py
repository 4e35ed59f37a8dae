"""Several processes training one GHN: `torchrun --nproc-per-node N` splits every meta-batch among them.

On a CPU, two processes of one thread each are faster than one of two threads: neither the operators of
small networks nor Python share two cores well.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor


class Team:
    """rank: number of this process, 0 leads (writes files, measures). size: how many there are."""

    def __init__(self) -> None:
        if "RANK" in os.environ and "WORLD_SIZE" in os.environ and not dist.is_initialized():
            dist.init_process_group("gloo")
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.size = dist.get_world_size() if dist.is_initialized() else 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, size: int) -> int:
        """How many of `size` networks this process takes."""
        return len(range(self.rank, size, self.size))

    def sum(self, gradients: Sequence[Tensor], numbers: Sequence[float]) -> list[float]:
        """Add up the gradients (in place) and the numbers of all processes."""
        if self.size == 1:
            return list(numbers)
        tail = torch.tensor(numbers, dtype=torch.float64)
        vector = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(vector)
        dist.all_reduce(tail)
        for gradient, piece in zip(
            gradients, torch.split(vector, [gradient.numel() for gradient in gradients]), strict=True
        ):
            gradient.copy_(piece.view_as(gradient))
        return tail.tolist()
