"""One operation of an ONNX graph, as everything behind `flatten.py` sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from onnx import TensorProto

# An operator's name and the position among its inputs.
Use = tuple[str, int]


@dataclass(slots=True)
class Op:
    """One operation. Values are named as in the file; names inside inlined functions get a prefix.

    name: of the node, may be "" or repeat. tensors: tensor attributes. inner: tensors that a subgraph
        brings along. uses: for these and for what a subgraph reads from outside, the (operator, input) pairs
        where it does. constant: the name of the tensor of a Constant node in a function's body, which all
        calls share.
    """

    name: str
    type: str
    domain: str
    inputs: list[str]
    outputs: list[str]
    attrs: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, TensorProto] = field(default_factory=dict)
    inner: list[tuple[str, TensorProto]] = field(default_factory=list)
    uses: dict[str, list[Use]] = field(default_factory=dict)
    constant: str = ""

    @property
    def where(self) -> str:
        """The node for an error message."""
        return self.name or (self.outputs[0] if self.outputs else self.type)

    def input(self, index: int) -> str:
        return self.inputs[index] if index < len(self.inputs) else ""
