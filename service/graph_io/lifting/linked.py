"""The small form that the passes of this folder rewrite: nodes that know the nodes they read, and the shapes
of their results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from service.graph_io.archgraph import AttrValue, Node, Parameter
from service.graph_io.attributes import APPROXIMATE

# Of a result with the batch axis; None if unknown, an entry None if only that is unknown.
Shape = tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True)
class Layout:
    """The axes of a result for one sample.

    sizes: of each axis; what is left of the axis of the batch when the batch is taken out of it (1, or the
        number of windows that were put into it). batch_axis: None for what does not depend on the input.
    outer: how many entries of that axis come before the batch: (L, N) side by side are L, then the batch.
    """

    sizes: tuple[int, ...]
    batch_axis: int | None
    outer: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The attribute `shape` of a reshape to it: -1 for the axis of the batch, else for the first."""
        free = self.batch_axis or 0
        return tuple(-1 if axis == free else size for axis, size in enumerate(self.sizes))

    @property
    def before_batch(self) -> int:
        """How many numbers of a sample lie before the batch."""
        return prod(self.sizes[: self.batch_axis or 0]) * self.outer

    def permuted(self, order: Sequence[int]) -> Layout:
        axis = None if self.batch_axis is None else list(order).index(self.batch_axis)
        return Layout(tuple(self.sizes[place] for place in order), axis, self.outer)


@dataclass(slots=True, eq=False)
class LinkedNode:
    """A node of the graph to be. layout: of its result; None if it is not known."""

    name: str
    op: str
    inputs: list[LinkedNode] = field(default_factory=list)
    params: tuple[Parameter, ...] = ()
    attrs: dict[str, AttrValue] = field(default_factory=dict)
    shape: Shape = None
    layout: Layout | None = None

    @property
    def exact(self) -> bool:
        """Whether operator, attributes and parameters say everything that is computed here."""
        return APPROXIMATE not in self.attrs


@dataclass(slots=True)
class LinkedGraph:
    """nodes: in execution order. outputs: those that the network returns.

    batch: size of the batch axis in the nodes' shapes, None if the shapes do not say it.
    """

    nodes: list[LinkedNode]
    outputs: list[LinkedNode]
    batch: int | None

    def readers(self) -> dict[LinkedNode, list[LinkedNode]]:
        """Who reads each node; an output of the network is read by itself, so that no pass swallows it."""
        readers: dict[LinkedNode, list[LinkedNode]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for source in node.inputs:
                readers[source].append(node)
        for output in self.outputs:
            readers[output].append(output)
        return readers

    def live(self) -> set[LinkedNode]:
        """The nodes that depend on an input."""
        live: set[LinkedNode] = set()
        for node in self.nodes:
            if node.op == "input" or any(source in live for source in node.inputs):
                live.add(node)
        return live

    def replace(self, replacements: Mapping[LinkedNode, LinkedNode]) -> None:
        """Let the readers of a node read another one, which is no node that is replaced itself, and drop what
        nothing reads then.
        """
        if not replacements:
            return
        for node in self.nodes:
            if any(source in replacements for source in node.inputs):
                node.inputs = [replacements.get(source, source) for source in node.inputs]
        self.outputs = list(dict.fromkeys(replacements.get(output, output) for output in self.outputs))
        self.prune()

    def prune(self) -> None:
        """Drop the nodes without parameters that reach no output. Those with parameters are a mistake of
        whoever made the network, which the checks report by name.
        """
        needed = self.reaching(node for node in self.nodes if node.params and node.inputs)
        self.nodes = [node for node in self.nodes if node in needed]

    def reaching(self, others: Iterable[LinkedNode] = ()) -> set[LinkedNode]:
        """The nodes that the outputs, or others, are computed from."""
        needed: set[LinkedNode] = set()
        stack = [*self.outputs, *others]
        while stack:
            node = stack.pop()
            if node not in needed:
                needed.add(node)
                stack.extend(node.inputs)
        return needed


def linked(
    nodes: Iterable[Node], outputs: Sequence[str], shapes: Mapping[str, Shape], batch: int | None
) -> LinkedGraph:
    """nodes: in execution order. shapes: of their results, by name."""
    by_name: dict[str, LinkedNode] = {}
    for node in nodes:
        by_name[node.name] = LinkedNode(
            node.name,
            node.op,
            [by_name[source] for source in node.inputs],
            node.params,
            dict(node.attrs),
            shapes.get(node.name),
        )
    return LinkedGraph(list(by_name.values()), [by_name[name] for name in outputs], batch)


def shape_sources(graph: LinkedGraph) -> None:
    """The shape of a parameter that stands alone is where it is placed, or else its own."""
    for node in graph.nodes:
        if node.shape is None and not node.inputs and len(node.params) == 1:
            node.shape = placed_shape(node)


def plain(graph: LinkedGraph) -> tuple[list[Node], tuple[str, ...]]:
    """The nodes by name, and the names of the outputs."""
    nodes = [
        Node(
            node.name,
            node.op,
            tuple(source.name for source in node.inputs),
            tuple(map(_plain_parameter, node.params)),
            node.attrs,
        )
        for node in graph.nodes
    ]
    return nodes, tuple(output.name for output in graph.outputs)


def _plain_parameter(own: Parameter) -> Parameter:
    """Without what a reader knows of it besides."""
    if type(own) is Parameter:
        return own
    return Parameter(own.name, own.shape, own.role, own.axes, own.trainable)


def marks_of(*nodes: LinkedNode) -> dict[str, AttrValue]:
    """The mark of what is made of these nodes: that of the first which has one, none if all are exact."""
    return next(({APPROXIMATE: node.attrs[APPROXIMATE]} for node in nodes if not node.exact), {})


def placed_shape(node: LinkedNode) -> tuple[int, ...]:
    """The shape of a node's first parameter where it meets the features."""
    return integers(node.attrs.get("shape")) or node.params[0].shape


def integers(value: AttrValue) -> tuple[int, ...]:
    """Whole numbers of an attribute, none if it has no such."""
    values = value if isinstance(value, tuple) else (value,)
    return tuple(entry for entry in values if isinstance(entry, int))


def unexpanded(node: LinkedNode) -> LinkedNode:
    """What a node was before it was expanded for a sum or product, which broadcasting does as well."""
    while node.op == "unary" and node.attrs.get("kind") == "expand":
        node = node.inputs[0]
    return node


def unique(name: str, names: set[str]) -> str:
    """The name, with a number behind it if `names` has it; it is added there."""
    chosen, number = name, 1
    while chosen in names:
        number += 1
        chosen = f"{name}_{number}"
    names.add(chosen)
    return chosen
