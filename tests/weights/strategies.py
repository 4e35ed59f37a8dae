"""Random blocks and answers for property tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from service.weights.blocks import Block, Provenance, WeightBlocks
from service.weights.safetensors_layout import METADATA_KEY

dtypes = st.sampled_from(["float32", "float16", "bfloat16"])
# Hypothesis tries the texts of our own code too: one of them is a name that files keep for themselves.
names = st.text(
    alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12
).filter(lambda name: name != METADATA_KEY)


@st.composite
def blocks(draw: st.DrawFn, max_rank: int = 5) -> Block:
    """Ranks 0 to 5, sizes that divide and that do not, a block longer than its target on some axes, permuted
    layouts.
    """
    rank = draw(st.integers(0, max_rank))
    shape = tuple(draw(st.integers(1, 7)) for _ in range(rank))
    have = tuple(draw(st.integers(1, size + 1)) for size in shape)
    seed = draw(st.integers(0, 2**32 - 1))
    values: Any = np.random.default_rng(seed).standard_normal(have).astype(np.float32)
    axes = draw(st.none() | st.permutations(range(rank)).map(tuple))
    scale = draw(st.sampled_from([1.0, 0.0, -2.5, 0.0625]) | st.floats(1e-3, 1e3, allow_nan=False))
    return Block(
        np.asarray(values, dtype=np.float32), shape, scale, axes, draw(st.sampled_from(list(Provenance)))
    )


@st.composite
def answers(draw: st.DrawFn) -> WeightBlocks:
    """A few named blocks, some of them sharing one block of values."""
    named: dict[str, Block] = {}
    for name in draw(st.lists(names, max_size=6, unique=True)):
        earlier = list(named.values())
        if earlier and draw(st.booleans()):
            twin = draw(st.sampled_from(earlier))
            longer = tuple(size + draw(st.integers(0, 3)) for size in twin.shape)
            named[name] = Block(
                twin.values.copy(), longer, draw(st.sampled_from([1.0, 3.5])), twin.axes, twin.provenance
            )
        else:
            named[name] = draw(blocks())
    return WeightBlocks(named, draw(names), "0" * 64)
