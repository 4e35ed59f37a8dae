"""Batch normalisation without running statistics of its own.

Nobody predicts running statistics (GHN-2 paper, appendix C.1): a batch normalisation uses those of the
batch, or those that `BatchStatistics` gathered from other batches.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass
class BatchStatistics:
    """Means and variances of every batch normalisation: first gathered over batches, then used instead of
    each batch's own.
    """

    gathering: bool = True
    batches: int = 0
    sums: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def observe(self, name: str, x: Tensor) -> None:
        variance, mean = torch.var_mean(x.detach().float(), dim=[0, *range(2, x.ndim)])
        if name in self.sums:
            mean, variance = mean + self.sums[name][0], variance + self.sums[name][1]
        self.sums[name] = (mean, variance)

    def of(self, name: str) -> tuple[Tensor, Tensor]:
        mean, variance = self.sums[name]
        return mean / self.batches, variance / self.batches


def normalised_by_batch(
    name: str, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float,
    statistics: BatchStatistics | None,
) -> Tensor:  # fmt: skip
    """x of shape (N, C, ...), normalised. name: of the normalisation among the statistics."""
    if statistics is not None and not statistics.gathering:
        mean, variance = statistics.of(name)
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)
    if statistics is not None:
        statistics.observe(name, x)
    return F.batch_norm(x, None, None, weight, bias, training=True, eps=eps)
