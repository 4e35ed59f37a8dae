"""The record of one run of a network: what was computed from what. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.graph_io.archgraph import AttrValue

# Steps that are no computation.
INPUT = "input"
PARAM = "param"


@dataclass(slots=True)
class Step:
    """One call. Its number is its place in the record; other steps name it by that number.

    op: an operator of `operators.py`, or "input", or "param" (a leaf: a parameter itself).
    sources: the steps whose values it reads, in the operator's order. Fixed numbers are not listed.
    weights: (role, step) of the tensors that play a parameter's part in the operator, such as a
        convolution's weight. They need not be parameters themselves: a weight may be computed from some.
    shape: of the result, batch axis included.
    live: depends on an input of the network. What is not live was computed from parameters alone.
    name: of the parameter, for a leaf.
    """

    op: str
    sources: tuple[int, ...] = ()
    weights: tuple[tuple[str, int], ...] = ()
    attrs: dict[str, AttrValue] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    live: bool = True
    name: str = ""

    @property
    def reads(self) -> tuple[int, ...]:
        """Everything it reads."""
        return (*self.sources, *(step for _, step in self.weights)) if self.weights else self.sources


@dataclass(frozen=True, slots=True)
class Record:
    """steps: in execution order. outputs: steps whose values the network returned. batch: size of the batch.

    by_zeros: the control flow looked at zeros, so the network may have left out what it does otherwise.
    """

    steps: list[Step]
    outputs: tuple[int, ...]
    batch: int
    by_zeros: bool = False
