"""A few numbers that a network answers, by which whoever runs it elsewhere checks that it is the same
network.

Nobody needs the network's weights for it: both sides draw the same parameters, by name and shape, and the
same input. Free of torch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray

# Batch norms divide by the deviation within the batch: of fewer inputs, it may be next to nothing.
INPUTS = 4
MOST_NUMBERS = 4096

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sample:
    """What a network answers for `sample_input` with `sample_parameter`s, batch norms using the statistics of
    the batch.

    output: the first numbers of its answer, row by row.
    layers: paths of modules that own parameters, in the order in which they run, with the root mean square of
        what each gives when it first runs: they say where two networks part.
    """

    output: tuple[float, ...]
    layers: tuple[tuple[str, float], ...] = ()


def sample_input(shape: tuple[int, ...]) -> Floats:
    """(INPUTS, *shape), float32, normally distributed."""
    return np.random.default_rng(0).standard_normal((INPUTS, *shape), dtype=np.float32)


def sample_parameter(name: str, shape: tuple[int, ...]) -> Floats:
    """The value of a parameter: of deviation 1 / sqrt(fan-in) if it has two axes or more; around zero if
    it is called a bias, else around one. Large biases would hide what the weights do.
    """
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    numbers = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    if len(shape) < 2:
        mean = 0 if name.endswith("bias") else 1
        return np.asarray(mean + 0.1 * numbers, dtype=np.float32)
    return np.asarray(numbers / sqrt(max(1, prod(shape[1:]))), dtype=np.float32)
