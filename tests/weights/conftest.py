from __future__ import annotations

import numpy as np
import pytest

from service.weights.blocks import Block, Provenance, WeightBlocks


@pytest.fixture
def sample() -> WeightBlocks:
    """A convolution repeated to its shape, a linear layer stored (in, out), a default without a decoder."""
    rng = np.random.default_rng(7)

    def values(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    return WeightBlocks(
        {
            "conv.weight": Block(values(4, 3, 3, 3), (10, 3, 3, 3), 0.25, None, Provenance.TILED),
            "fc.kernel": Block(values(5, 10), (5, 10), 1.0, (1, 0), Provenance.PREDICTED),
            "token": Block(values(1, 1, 6), (1, 1, 6), 1.0, None, Provenance.DEFAULTED),
        },
        model="sample-model",
        model_digest="ab" * 32,
    )
