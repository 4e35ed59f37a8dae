"""Several processes training one GHN: every meta-batch is split among them, gradients are summed.

On a CPU, two processes of one thread each are faster than one of two threads: neither the operators of small
networks nor Python share two cores well. With GPUs, every process has one of its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from training.ghn.launch import TeamBroken, ready_file


class Team:
    """rank: number of this process; 0 leads (writes files, keeps records). size: how many there are.

    meeting: a file that does not exist yet, through which the processes of one machine find each other; None
    under `torchrun`, which says where in the environment.
    """

    def __init__(self, rank: int = 0, size: int = 1, meeting: Path | None = None) -> None:
        self.rank, self.size, self.meeting = rank, size, meeting

    @classmethod
    def of_torchrun(cls) -> Team | None:
        """The team that `torchrun` started, None elsewhere."""
        if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
            return None
        return cls(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))

    @property
    def leads(self) -> bool:
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """A GPU for every process of a machine, or the CPU for all of them."""
        gpus = torch.cuda.device_count()
        if not gpus:
            return torch.device("cpu")
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", self.rank)) % gpus)

    def meet(self) -> None:
        """Wait until all are here."""
        if self.size == 1 or dist.is_initialized():
            return
        backend = "nccl" if self.device.type == "cuda" else "gloo"
        if self.meeting is None:
            dist.init_process_group(backend)
            return
        ready_file(self.meeting, self.rank).touch()
        # One machine: no name of a host needs to be looked up.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        dist.init_process_group(
            backend, init_method=f"file://{self.meeting}", rank=self.rank, world_size=self.size
        )

    def part(self) -> None:
        """End the meeting, so that another may follow in this process."""
        if dist.is_initialized():
            dist.destroy_process_group()

    def share(self, first: int, count: int) -> list[int]:
        """Positions in `first`, `first` + 1, ..., counted from 0, of the networks that this process takes.

        Every network has one process, whatever the size of the meta-batches: so a run may go on with another
        number of processes.
        """
        return [position for position in range(count) if (first + position) % self.size == self.rank]

    def sum(self, gradients: Sequence[Tensor], numbers: Sequence[float]) -> list[float]:
        """Add up the gradients (in place) and the numbers of all processes. Raises TeamBroken if one died."""
        if self.size == 1:
            return list(numbers)
        tail = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        try:
            if gradients:
                vector = torch.cat([gradient.flatten() for gradient in gradients])
                dist.all_reduce(vector)
                pieces = torch.split(vector, [gradient.numel() for gradient in gradients])
                shaped = [piece.view_as(gradient) for piece, gradient in zip(pieces, gradients, strict=True)]
                torch._foreach_copy_(list(gradients), shaped)
            dist.all_reduce(tail)
        except RuntimeError as error:
            raise TeamBroken(
                "One of the processes that train together ended.",
                hint="It may have run out of memory: use fewer processes.",
            ) from error
        return tail.tolist()
