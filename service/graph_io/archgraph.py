"""The one graph type. Every reader produces it, everything else consumes it.

An ArchGraph is the computational graph of a network at the level of operators: nodes in execution order,
each naming the nodes it reads from and the trainable parameters it owns. It never holds parameter values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod

from service.graph_io.program import Program
from service.graph_io.sample import Sample

AttrValue = int | float | str | bool | tuple[int, ...] | tuple[float, ...] | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A learned tensor of the user's network.

    shape: as the user's network stores it.
    role: what it is to its operator: "weight", "bias", or one of the names that `operators.py` lists for it.
    axes: permutation that brings the stored layout to the canonical one, (out, in / groups, *kernel) for
        weights; None when it is canonical already. A linear layer stored (in, out) has axes (1, 0).
    trainable: False for one that the user keeps as it is (a pretrained backbone, a table of sines). It is
        part of the network, and is not answered.
    """

    name: str
    shape: tuple[int, ...]
    role: str = "weight"
    axes: tuple[int, ...] | None = None
    trainable: bool = True

    @property
    def numel(self) -> int:
        return prod(self.shape)

    @property
    def canonical_shape(self) -> tuple[int, ...]:
        return self.shape if self.axes is None else tuple(self.shape[axis] for axis in self.axes)


def module_of(weight: str) -> str:
    """The path P of the module whose weight has this name; empty if it is not called `P.weight`, as torch and
    its ONNX exporter call it.
    """
    path, _, role = weight.rpartition(".")
    return path if role == "weight" else ""


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of the network.

    op: a name of the operator table (`operators.py`).
    inputs: names of the nodes whose output it reads, in the operator's order; a name may repeat (x + x).
    cell: index of the cell or stage the node belongs to, where the format knows cells (stacked GHNs).
    """

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    params: tuple[Parameter, ...] = ()
    attrs: Mapping[str, AttrValue] = field(default_factory=dict)
    cell: int | None = None


def joined_channels(node: Node) -> tuple[int, ...]:
    """Of a convolution that says by `parts` how it is joined: the input channels of each source, in order."""
    parts = node.attrs.get("parts")
    if parts is None:
        return ()
    values = parts if isinstance(parts, tuple) else (parts,)
    return tuple(int(value) for value in values)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class ArchGraph:
    """A checked network: acyclic, `nodes` in topological order, names unique.

    nodes: at least one has op "input".
    outputs: names of the nodes whose values the network returns.
    input_shape: shape of the (first) input without the batch axis, e.g. (3, 224, 224); empty if unknown.
    unattached: parameters that the network owns but its forward pass never reads. Trainable ones are
    answered too.
    program: exactly what the network computes, where that was recorded. Running a network needs it if a node
        stands for more than its attributes say; predicting weights never does.
    sample: what the owner's network answers, to check against before a network is trained or scored.

    Build one through `checks.build_graph`, which sorts and validates; the constructor itself trusts its
    caller.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    input_shape: tuple[int, ...] = ()
    name: str = ""
    unattached: tuple[Parameter, ...] = ()
    program: Program | None = None
    sample: Sample | None = None

    @property
    def exits(self) -> tuple[str, ...]:
        """The outputs, if each is a classifier of its own that answers early (anytime prediction): in order
        of execution, the last answers last. Empty for other networks.
        """
        marked = {node.name for node in self.nodes if node.attrs.get("exit") is True}
        chosen = tuple(node.name for node in self.nodes if node.name in self.outputs)
        return chosen if all(name in marked for name in chosen) else ()

    def parameters(self) -> Iterator[Parameter]:
        """Every trainable parameter once, in execution order (a tied parameter counts where it is first
        read)."""
        return (parameter for parameter in self.all_parameters() if parameter.trainable)

    def all_parameters(self) -> Iterator[Parameter]:
        """`parameters`, and those that are kept as they are."""
        seen: set[str] = set()
        for parameter in (*(p for node in self.nodes for p in node.params), *self.unattached):
            if parameter.name not in seen:
                seen.add(parameter.name)
                yield parameter

    @property
    def num_parameters(self) -> int:
        """Numbers in all trainable parameters."""
        return sum(parameter.numel for parameter in self.parameters())
