"""What a value that was computed from parameters alone is made of. Free of torch.

A convolution's weight may be a standardised parameter, a position table two parameters side by side, a
bias a parameter with zeros around it. The cone of such a value is everything it was computed from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from service.graph_io.archgraph import Parameter
from service.graph_io.attributes import APPROXIMATE
from service.graph_io.operators import NORMS, PRODUCTS
from service.graph_io.torch_tracing.steps import PARAM, Step

# Operators that turn a value into another one by learned weights: a value behind one is no longer "a
# parameter".
LAYERS = PRODUCTS | NORMS | {"recurrent", "attention"}


@dataclass(frozen=True, slots=True)
class Cone:
    """leaves: the parameters' steps, in the order they were read. has_layer: behind learned layers."""

    leaves: tuple[int, ...]
    has_layer: bool


class Cones:
    """The cones of one record; each is found once."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        self._cones: dict[int, Cone] = {}

    def of(self, value: int) -> Cone:
        """value: a step that is not live."""
        cone = self._cones.get(value)
        if cone is None:
            cone = self._cones[value] = self._walk(value)
        return cone

    def _walk(self, value: int) -> Cone:
        leaves: dict[int, None] = {}
        has_layer, stack, seen = False, [value], {value}
        while stack:
            index = stack.pop()
            step = self.steps[index]
            if step.op == PARAM:
                leaves[index] = None
                continue
            # A norm without weights is how a weight is standardised.
            has_layer = has_layer or (step.op in LAYERS and bool(step.weights))
            for source in reversed(step.reads):
                if source not in seen:
                    seen.add(source)
                    stack.append(source)
        return Cone(tuple(leaves), has_layer)

    def is_direct(self, value: int) -> bool:
        """Whether a value is a parameter as it is stored, or its axes in another order."""
        step = self.steps[value]
        return step.op == PARAM or (step.op == "permute" and self.steps[step.sources[0]].op == PARAM)

    def placed_shape(self, value: int) -> tuple[int, ...] | None:
        """The shape in which a parameter meets the features, if nothing but views lies between; None
        otherwise.
        """
        step = self.steps[value]
        if step.op == PARAM:
            return step.shape
        if len(step.sources) != 1 or step.weights:
            return None
        before = self.placed_shape(step.sources[0])
        if before is None:
            return None
        if step.op in ("reshape", "flatten") and -1 not in _shape_of(step) and APPROXIMATE not in step.attrs:
            return step.shape
        if (
            step.op == "unary"
            and step.attrs.get("kind") in ("expand", "repeat")
            and len(before) == len(step.shape)
        ):
            # Repeated along the batch alone, which broadcasting does as well.
            if before[:1] == (1,) and step.shape[1:] == before[1:]:
                return before
        return None

    def weight(self, value: int, role: str, shape: Sequence[int]) -> tuple[Parameter | None, tuple[int, ...]]:
        """The parameter behind a weight or bias of the given shape, and the leaves with another part in it.

        The parameter is None if nothing in the cone has that shape, or that many values.
        """
        step = self.steps[value]
        if step.op == PARAM:
            return Parameter(step.name, step.shape, role), ()
        if step.op == "permute" and self.steps[step.sources[0]].op == PARAM:
            leaf = self.steps[step.sources[0]]
            return Parameter(leaf.name, leaf.shape, role, _axes(step.attrs["axes"])), ()
        cone = self.of(value)
        target, numel = tuple(shape), prod(shape)
        chosen = next((leaf for leaf in cone.leaves if self.steps[leaf].shape == target), None)
        if chosen is None and not cone.has_layer:
            chosen = next((leaf for leaf in cone.leaves if prod(self.steps[leaf].shape) == numel), None)
        if chosen is None:
            return None, cone.leaves
        leaf = self.steps[chosen]
        return Parameter(leaf.name, leaf.shape, role), tuple(
            other for other in cone.leaves if other != chosen
        )


def _shape_of(step: Step) -> tuple[int, ...]:
    shape = step.attrs.get("shape", ())
    return tuple(int(size) for size in shape) if isinstance(shape, tuple) else ()


def _axes(value: object) -> tuple[int, ...] | None:
    axes = tuple(int(axis) for axis in value) if isinstance(value, tuple) else ()
    return None if axes == tuple(range(len(axes))) else axes


def long_axes(shape: Sequence[int]) -> int:
    """How many axes are longer than one."""
    return sum(size > 1 for size in shape)
