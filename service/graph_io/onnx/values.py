"""What is known of a value while the operations are read in order.

A value is either computed from the network's input (it has a draft), or fixed before it: a constant, a
parameter, shape arithmetic, or whatever is computed from those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.graph_io.onnx.draft import Draft, Shape
from service.graph_io.onnx.tensors import Leaf

# Stands for an entry of a shape that depends on the input; no real dimension is near it.
UNKNOWN = -(2**62)


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """draft: the node that computes it, None for a fixed value.

    shape: None if unknown; an entry None if only that is unknown.
    const: its numbers, if few and known; entries may be UNKNOWN.
    leaves: the file's tensors that a fixed value is computed from.
    view: for a fixed value that shows exactly one leaf with its axes moved: for each axis of the value the
        leaf's axis, -1 for an axis of size 1 that was added. None where it is more than a view.
    exact: whether the view shows all of the leaf's numbers, and as they are.
    """

    draft: Draft | None = None
    shape: Shape = None
    const: NDArray[Any] | None = None
    leaves: tuple[Leaf, ...] = ()
    view: tuple[int, ...] | None = None
    exact: bool = True

    @property
    def fixed(self) -> bool:
        return self.draft is None

    @property
    def leaf(self) -> Leaf | None:
        """The leaf that the value shows, with moved axes at most."""
        return self.leaves[0] if self.view is not None and len(self.leaves) == 1 else None

    @property
    def as_stored(self) -> Leaf | None:
        """The leaf, if the value is nothing but its numbers as they are."""
        return self.leaf if self.exact and self.leaf is not None and self.leaf.is_float else None

    @property
    def in_order(self) -> bool:
        """Whether axes were added or dropped since the leaf was stored, but none moved."""
        kept = [axis for axis in self.view or () if axis >= 0]
        return kept == sorted(kept)

    def ints(self) -> tuple[int, ...] | None:
        """As a list of known integers, of one axis at most."""
        if self.const is None or self.const.ndim > 1 or self.const.dtype.kind not in "iub":
            return None
        numbers = tuple(int(number) for number in np.atleast_1d(self.const))
        return None if UNKNOWN in numbers else numbers

    def dims(self) -> Shape:
        """As a shape: entries None where unknown."""
        if self.const is None or self.const.ndim != 1 or self.const.dtype.kind not in "iu":
            return None
        return tuple(None if number == UNKNOWN else int(number) for number in self.const)

    def scalar(self) -> float | None:
        if self.const is None or self.const.size != 1 or self.const.dtype.kind not in "fiu":
            return None
        number = float(self.const.reshape(()))
        return None if number == UNKNOWN else number


def merged_leaves(values: list[Value]) -> tuple[Leaf, ...]:
    return tuple(dict.fromkeys(leaf for value in values for leaf in value.leaves))


ABSENT = Value(shape=())
