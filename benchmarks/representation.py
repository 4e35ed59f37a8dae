"""How a GHN represents networks and what its predictions are like (GHN-2 paper, appendices C.2.4 and C.3).

Shape legend: N networks, C width of an embedding, T tensors of one shape, V their values
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import sqrtm

Floats = NDArray[np.float64]
# Of the paper: smaller values count as zeros.
_SPARSE = 0.05


def frechet_distance(one_NC: Floats, other_NC: Floats) -> float:
    """Between the Gaussians that fit two sets of embeddings (table 11). Small sets look farther apart than
    they are: their covariances are noisy."""
    covariances = [np.cov(each, rowvar=False) for each in (one_NC, other_NC)]
    product = np.real(sqrtm(covariances[0] @ covariances[1]))
    means = one_NC.mean(0) - other_NC.mean(0)
    return float(means @ means + np.trace(covariances[0] + covariances[1] - 2 * product))


def most_frequent_shape(networks: Sequence[Mapping[str, Floats]], rank: int = 4) -> tuple[int, ...]:
    """Among the tensors of that rank that have more than one kernel position."""
    counts = Counter(
        value.shape
        for tensors in networks
        for value in tensors.values()
        if value.ndim == rank and value.shape[-1] > 1
    )
    return counts.most_common(1)[0][0]


def diversity(values_TV: Floats) -> float:
    """Mean over all pairs of 1 - |cosine|: 0 where all tensors are multiples of one (table 12)."""
    unit_TV = values_TV / np.linalg.norm(values_TV, axis=1, keepdims=True)
    cosine_TT = np.abs(unit_TV @ unit_TV.T)
    count = len(cosine_TT)
    return float(1 - (cosine_TT.sum() - np.trace(cosine_TT)) / (count * (count - 1)))


def sparsity(values: Floats) -> float:
    """Percent of values below 0.05 (table 12, of first layers)."""
    return float(100 * (np.abs(values) < _SPARSE).mean())
