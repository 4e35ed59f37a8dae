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

    def gather(self, name: str, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        """x of shape (N, C, ...), normalised by its own statistics, which are added to those of before."""
        dtype = torch.promote_types(x.dtype, torch.float32)
        mean_C, variance_C = x.new_zeros((2, x.shape[1]), dtype=dtype)
        weight, bias = (None if value is None else value.to(dtype) for value in (weight, bias))
        # With a momentum of 1 these buffers become the batch's own mean and unbiased variance, which the
        # normalisation computes anyway.
        result = F.batch_norm(x, mean_C, variance_C, weight, bias, training=True, momentum=1.0, eps=eps)
        if name in self.sums:
            mean_C, variance_C = mean_C + self.sums[name][0], variance_C + self.sums[name][1]
        self.sums[name] = (mean_C, variance_C)
        return result

    def of(self, name: str) -> tuple[Tensor, Tensor]:
        mean, variance = self.sums[name]
        return mean / self.batches, variance / self.batches


def normalised_by_batch(
    name: str, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float,
    statistics: BatchStatistics | None,
) -> Tensor:  # fmt: skip
    """x of shape (N, C, ...), normalised. name: of the normalisation among the statistics."""
    if statistics is None:
        return F.batch_norm(x, None, None, weight, bias, training=True, eps=eps)
    if statistics.gathering:
        return statistics.gather(name, x, weight, bias, eps)
    mean, variance = statistics.of(name)
    return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)
