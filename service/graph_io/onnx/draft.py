"""Nodes under construction, which still know the ONNX operator and the tensors that they came from."""

from __future__ import annotations

from dataclasses import dataclass

from service.graph_io.archgraph import AttrValue, Parameter
from service.graph_io.attributes import APPROXIMATE
from service.graph_io.lifting.linked import LinkedNode, Shape
from service.graph_io.onnx.tensors import Leaf

__all__ = ["Draft", "Owned", "Shape", "own", "unclear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned(Parameter):
    """A tensor in its role. doubtful: it is a parameter only if `trainable.py` finds so.

    used: its shape where it is used, with the axes added or moved since it was stored. neutral: whether the
    node computes the same without it (a norm's weight of ones).
    """

    leaf: Leaf
    doubtful: bool = False
    used: Shape = None
    neutral: bool = False


def own(
    leaf: Leaf,
    role: str,
    axes: tuple[int, ...] | None = None,
    *,
    doubtful: bool = False,
    used: Shape = None,
    neutral: bool = False,
) -> Owned:
    return Owned(leaf.name, leaf.shape, role, axes, leaf=leaf, doubtful=doubtful, used=used, neutral=neutral)


@dataclass(slots=True, eq=False)
class Draft(LinkedNode):
    """kind: the ONNX operator that a node came from."""

    kind: str = ""

    @property
    def owned(self) -> tuple[Owned, ...]:
        """The parameters, as the file has them."""
        return tuple(parameter for parameter in self.params if isinstance(parameter, Owned))


def unclear(kind: str) -> dict[str, AttrValue]:
    """The mark of a node that does not say everything that the ONNX operator computes."""
    return {APPROXIMATE: f"what the ONNX operator {kind} computes is not in the graph"}
