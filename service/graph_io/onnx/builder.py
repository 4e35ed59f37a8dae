"""What makes drafts: the translator, as the functions see it that turn one operation into nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from service.graph_io.archgraph import AttrValue
from service.graph_io.lifting.linked import LinkedNode
from service.graph_io.onnx.draft import Draft, Owned, Shape
from service.graph_io.onnx.op import Op
from service.graph_io.onnx.values import Value


class Builder(Protocol):
    def add(
        self,
        op: Op,
        kind: str,
        inputs: Sequence[LinkedNode],
        owned: Sequence[Owned] = (),
        *,
        attrs: dict[str, AttrValue] | None = None,
        part: str = "",
        shape: Shape = None,
        exact: bool = False,
    ) -> Draft:
        """A new node."""

    def source(self, value: Value, op: Op) -> Draft:
        """The node that makes a value; a fixed one becomes a source of its own."""

    def runnable(self, op: Op, values: list[Value]) -> Draft | None:
        """The operation as a node that can be run, None where not all of it is known."""
