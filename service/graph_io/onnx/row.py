"""What a row of the table of ONNX operators says (`table.py`)."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from enum import Enum, Flag, auto

from service.graph_io.archgraph import AttrValue
from service.graph_io.onnx.builder import Builder
from service.graph_io.onnx.draft import Draft, Shape
from service.graph_io.onnx.exact.rules import Rule
from service.graph_io.onnx.folding import Fold
from service.graph_io.onnx.op import Op
from service.graph_io.onnx.values import Value

# One of our operators and its attributes.
Node = tuple[str, dict[str, AttrValue]]


class Signal(Enum):
    """Which inputs carry the network's signal; the others say how."""

    ALL = auto()
    FIRST = auto()
    # The result does not depend on the values of the inputs, or carries no signal.
    NONE = auto()


class Fact(Flag):
    """What else is true of an operator."""

    NOTHING = 0
    # The result is the input, as far as a network's architecture goes.
    PASSES = auto()
    # Of one tensor it is that tensor.
    JOINS = auto()
    # It changes no number, and leaves none out.
    SAME_NUMBERS = auto()
    # The axes of the result are those of the input.
    SAME_AXES = auto()
    # The result is the first input, seen in another way.
    VIEW = auto()
    # What stands for an input of the network that went through it is still that input.
    ALIAS = auto()
    # The result is a part of its first input, or several of it.
    PART = auto()
    # A function of single numbers, of several tensors.
    ELEMENTWISE = auto()
    # Nothing is learned through it: it has no gradient.
    DISCRETE = auto()
    # Results are whole numbers, or true and false.
    WHOLE = auto()
    # A product of matrices, either of which may be the weight.
    PRODUCT = auto()
    # It takes weights, and makes a node of its own of fixed inputs.
    LAYER = auto()
    # Whatever its weight is computed by is only a step on the way to the weight.
    WHOLE_WEIGHT = auto()
    NORM = auto()
    # At least one node of the result: too many of them are noticed at once.
    NODE = auto()
    # In no version of the standard that is read today.
    RETIRED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One operator of ONNX.

    build: how it becomes nodes, where that takes more than `exact` and `node`.
    exact: our operator that computes the same.
    node: our operator where nobody knows one that computes the same. Without one an operator is a function
        of which nothing is known but its inputs ("unary", "merge", "parameter"), and marked as such.
    kind: what a function of single numbers is called here, whatever stands beside its input.
    shape: of the first output. fold: the result of known small constants.
    weights: inputs that are weights. states: those among them that carry what a layer remembers. starts:
        inputs that nobody trains, with the value that they have in a fresh network. learned: other inputs
        that are learned now and then. quantised: inputs whose whole numbers stand for real ones.
    """

    build: Callable[[Builder, Op, list[Value]], Draft] | None = None
    exact: Rule | None = None
    node: Callable[[Op, list[Value]], Node] | None = None
    kind: str = ""
    shape: Callable[[Op, list[Value]], Shape] | None = None
    fold: Fold | None = None
    signal: Signal = Signal.ALL
    facts: Fact = Fact.NOTHING
    weights: tuple[int, ...] = ()
    states: tuple[int, ...] = ()
    starts: Mapping[int, float] = field(default_factory=dict)
    learned: Container[int] = ()
    quantised: tuple[int, ...] = ()

    def carriers(self, values: list[Value]) -> list[Value]:
        """The inputs that carry the signal."""
        return values if self.signal is Signal.ALL else values[:1]
