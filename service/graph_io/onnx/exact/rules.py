"""What a rule sees of an operation, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from service.graph_io.archgraph import AttrValue
from service.graph_io.onnx.draft import Shape
from service.graph_io.onnx.op import Op
from service.graph_io.onnx.values import ABSENT, Value

Attributes = dict[str, AttrValue]
# An operator of our table and its attributes.
Exact = tuple[str, Attributes]


@dataclass(frozen=True, slots=True)
class Site:
    """One operation in its place.

    values: of its inputs. shape: of its first output. opset: version of the ONNX operators in the file.
    """

    op: Op
    values: list[Value]
    shape: Shape
    opset: int

    def value(self, place: int) -> Value:
        return self.values[place] if place < len(self.values) else ABSENT

    def has(self, place: int) -> bool:
        """Whether the operation has an input of this place: optional ones may be absent."""
        return bool(self.op.input(place))

    @property
    def data(self) -> Shape:
        """The shape of the first input."""
        return self.value(0).shape

    @property
    def rank(self) -> int:
        """Of the first input. Raises LookupError where it is not known."""
        if self.data is None:
            raise LookupError("rank")
        return len(self.data)

    def number(self, name: str, default: float) -> float:
        """A number among the attributes, as it was before float32 rounded it."""
        return rounded(float(self.op.attrs.get(name, default)))

    def ints(self, name: str, place: int) -> tuple[int, ...] | None:
        """Whole numbers that early versions have as an attribute, and later ones as an input."""
        numbers = self.op.attrs.get(name)
        if numbers is None and self.has(place):
            numbers = self.value(place).ints()
            if numbers is None:
                raise LookupError(name)
        return numbers if numbers is None or isinstance(numbers, tuple) else (int(numbers),)

    def axis(self, axis: int) -> int:
        """An axis counted from the front. Raises LookupError for a negative one of an unknown rank."""
        return axis + self.rank if axis < 0 else axis


Rule = Callable[[Site], Exact | None]


def rounded(number: float) -> float:
    """The shortest number that float32 stores as this one."""
    return float(str(np.float32(number)))
