"""Which tables are of relative positions."""

from __future__ import annotations

_RELATIVE = (
    "rel_pos relative attention_bias rpb rel_h rel_w pos_bias rel_height rel_width position_bias".split()
)


def is_relative(name: str) -> bool:
    """Whether a parameter is a table of relative positions, by its name."""
    return any(word in name.lower() for word in _RELATIVE)
