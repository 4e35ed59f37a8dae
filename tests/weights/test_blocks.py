"""Expanding a block against the definition: out[i, j, ...] = scale * block[i mod b0, j mod b1, ...]."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from service.weights.blocks import DTYPES, Block, Provenance, WeightBlocks, repeat_into
from tests.weights.strategies import blocks, dtypes


def expand_by_definition(block: Block, dtype: str) -> np.ndarray:
    scaled = (block.values * np.float32(block.scale)).astype(DTYPES[dtype])
    canonical = np.empty(block.shape, dtype=DTYPES[dtype])
    for position in np.ndindex(*block.shape):
        canonical[position] = scaled[tuple(i % have for i, have in zip(position, scaled.shape, strict=True))]
    if block.axes is None:
        return canonical
    return np.ascontiguousarray(np.moveaxis(canonical, range(canonical.ndim), block.axes))


@settings(max_examples=150, deadline=None)
@given(block=blocks(), dtype=dtypes)
def test_expand_is_its_definition(block: Block, dtype: str) -> None:
    full = block.expand(dtype)
    assert full.shape == block.stored_shape
    assert full.dtype == DTYPES[dtype]
    assert full.flags.c_contiguous
    assert full.tobytes() == expand_by_definition(block, dtype).tobytes()


def test_a_linear_layer_stored_transposed_comes_back_transposed() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    block = Block(values, (2, 3), 1.0, (1, 0), Provenance.PREDICTED)
    assert block.stored_shape == (3, 2)
    np.testing.assert_array_equal(block.expand(), values.T)


def test_expanding_together_equals_expanding_alone() -> None:
    rng = np.random.default_rng(0)
    named = {
        f"p{n}": Block(
            rng.standard_normal((n,)).astype(np.float32), (3 * n + 1,), 0.5, None, Provenance.TILED
        )
        for n in range(1, 9)
    }
    together = WeightBlocks(named, "m", "d", "float16").expand()
    for name, block in named.items():
        assert together[name].dtype == np.float16
        assert together[name].tobytes() == block.expand("float16").tobytes()
        assert together[name].flags.writeable


def test_writing_into_a_view_with_gaps_is_an_error() -> None:
    with pytest.raises(ValueError, match="contiguous"):
        repeat_into(np.ones((1, 1), dtype=np.float32), np.empty((4, 8), dtype=np.float32)[:, ::2])
