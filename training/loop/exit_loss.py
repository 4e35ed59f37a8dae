"""The loss of a network that may answer early."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def mean_loss(answers: Sequence[Tensor], labels_N: Tensor) -> Tensor:
    """Cross-entropy in nats, the mean over all exits (Huang et al. 2018, with equal weights); answers: logits
    of each, (N, classes).
    """
    if len(answers) == 1:
        return F.cross_entropy(answers[0], labels_N)
    return torch.stack([F.cross_entropy(logits, labels_N) for logits in answers]).mean()
