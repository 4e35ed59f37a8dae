"""Nodes under construction: linked by reference, so that fusions can replace groups of them without names
getting in the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from service.graph_io.archgraph import AttrValue
from service.graph_io.onnx.tensors import Leaf
from service.graph_io.operators import PRODUCTS

Shape = tuple[int | None, ...] | None


@dataclass(slots=True, eq=False)
class Owned:
    """A tensor in its role. doubtful: it is a parameter only if `trainable.py` finds so.

    shape: of the tensor where it is used, with the axes added or moved since it was stored. neutral: whether
    the node computes the same without it (a norm's weight of ones).
    """

    leaf: Leaf
    role: str
    axes: tuple[int, ...] | None = None
    doubtful: bool = False
    shape: Shape = None
    neutral: bool = False


@dataclass(slots=True, eq=False)
class Draft:
    """One node to be.

    op: operator of our table; kind: ONNX operator it came from, which the fusions look at.
    scalar: the constant operand of an element-wise operation, nan for one that is not known.
    shape: of its (first) output. exact: whether operator, attributes and parameters say everything that the
        ONNX operation computes. Who does not know leaves it False; such a node cannot be run.
    """

    name: str
    op: str
    kind: str
    inputs: list[Draft] = field(default_factory=list)
    owned: list[Owned] = field(default_factory=list)
    attrs: dict[str, AttrValue] = field(default_factory=dict)
    scalar: float | None = None
    shape: Shape = None
    exact: bool = False

    def become(
        self,
        op: str,
        kind: str,
        inputs: list[Draft],
        owned: list[Owned],
        attrs: dict[str, AttrValue],
        *,
        exact: bool = False,
    ) -> None:
        """Turn into another operation with the same readers, as the last node of a fused group does."""
        self.op, self.kind, self.inputs, self.owned, self.attrs = op, kind, inputs, owned, attrs
        self.scalar, self.exact = None, exact

    @property
    def weightless(self) -> bool:
        return not self.owned and bool(self.inputs)


def output_channels(layer: Draft) -> int | None:
    """Numbers that a convolution or linear layer gives for each position, None for anything else."""
    if layer.op not in PRODUCTS or not layer.owned:
        return None
    weight = layer.owned[0]
    stored = weight.leaf.shape
    axes = weight.axes or tuple(range(len(stored)))
    if layer.op == "conv_transpose":
        groups = layer.attrs.get("groups", 1)
        return stored[1] * (groups if isinstance(groups, int) else 1)
    return stored[axes[0]]


def readers_of(drafts: Iterable[Draft], outputs: Iterable[Draft]) -> dict[Draft, list[Draft]]:
    """Who reads each draft; an output of the network is read by itself, so that no fusion swallows it."""
    readers: dict[Draft, list[Draft]] = {}
    for draft in drafts:
        readers.setdefault(draft, [])
        for source in draft.inputs:
            readers.setdefault(source, []).append(draft)
    for output in outputs:
        readers[output].append(output)
    return readers


def alive(drafts: Iterable[Draft], outputs: Iterable[Draft]) -> list[Draft]:
    """The drafts that the outputs depend on, in their order."""
    reachable: set[Draft] = set()
    stack = list(outputs)
    while stack:
        draft = stack.pop()
        if draft not in reachable:
            reachable.add(draft)
            stack.extend(draft.inputs)
    return [draft for draft in drafts if draft in reachable]


def pruned(drafts: Iterable[Draft], outputs: Iterable[Draft]) -> list[Draft]:
    """Drop what does not reach an output, unless it owns parameters: that is a mistake, which the checks
    report by name.
    """
    drafts, outputs = list(drafts), list(outputs)
    owners = [draft for draft in drafts if draft.owned and draft.inputs]
    return alive(drafts, [*outputs, *owners])
