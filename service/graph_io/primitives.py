"""From an ArchGraph to the graph that a GHN sees: 15 primitives, everything else dropped and its neighbours
joined.

GHN-2 paper, section 3 and table 1. A bias is a node of its own behind its weight; a normalisation is one
node for weight and bias; sums and concatenations stay only where they join two or more nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidArchitecture
from service.graph_io.archgraph import ArchGraph, Node, Parameter, joined_channels
from service.graph_io.attributes import EXIT, RESOLUTION
from service.graph_io.operators import NORMS, OPERATORS, PRODUCTS, Primitive
from service.graph_io.topology import depths
from service.graph_io.virtual_edges import near_paths, shortest_paths


class Decoding(StrEnum):
    """Which decoder makes a parameter, and which normalisation follows."""

    WEIGHT = "weight"
    CLASS_WEIGHT = "class_weight"
    NORM_WEIGHT = "norm_weight"
    NORM_BIAS = "norm_bias"
    BIAS = "bias"
    CLASS_BIAS = "class_bias"
    POSITION = "position"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Target:
    """A parameter to answer. node: index of the primitive node that decodes it, -1 for Decoding.DEFAULT.
    edges: of a weight that joins several sources, the primitive node of each and its input channels, in
    order.

    op: operator of the node that owns the parameter ("" for one that the network never reads); it picks the
    default's rule.
    """

    parameter: Parameter
    decoding: Decoding
    node: int
    op: str
    edges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class PrimitiveGraph:
    """N nodes in topological order.

    primitive_N: int64, values of Primitive.
    shapes: for every node the shape its features encode (canonical layout), None without one.
    predecessors: for every node the indices of the nodes it reads from, each once, ascending.
    names: the parameter or operator a node stands for, for people and tests.
    cells: the cell index of every node, -1 where the format has no cells.
    targets: every trainable parameter of the network, once.
    resolutions: of every node, how often the image was halved where it works, -1 where nobody says; exits:
    whether an early exit is attached. Both are empty where no node has such a mark.
    """

    primitive_N: NDArray[np.int64]
    shapes: tuple[tuple[int, ...] | None, ...]
    predecessors: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    cells: tuple[int, ...]
    targets: tuple[Target, ...]
    resolutions: tuple[int, ...] = ()
    exits: tuple[bool, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def classifiers(self) -> tuple[Parameter, ...]:
        """The trainable weights of last layers that tell classes apart, (classes, inputs, ...)."""
        return tuple(t.parameter for t in self.targets if t.decoding is Decoding.CLASS_WEIGHT)

    def paths(self, cutoff: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """target_P, origin_P, length_P of `virtual_edges.near_paths`."""
        return near_paths(self.predecessors, cutoff)

    def distances(self, cutoff: int) -> NDArray[np.uint8]:
        """distance_NN of `virtual_edges.shortest_paths`."""
        return shortest_paths(self.predecessors, cutoff)


# Nothing where they join less than two nodes.
_JOINS = (Primitive.SUM, Primitive.CONCAT)


class _Builder:
    """Collects primitive nodes while the ArchGraph is walked in topological order.

    nodes: the operators by name. visible: for every operator so far, the kept nodes that its readers read
    from. owners: the operator that each kept node stands for.
    """

    def __init__(self, graph: ArchGraph) -> None:
        self.nodes = {node.name: node for node in graph.nodes}
        self.visible: dict[str, tuple[int, ...]] = {}
        self.primitives: list[Primitive] = []
        self.shapes: list[tuple[int, ...] | None] = []
        self.predecessors: list[tuple[int, ...]] = []
        self.names: list[str] = []
        self.owners: list[Node] = []
        self.targets: dict[str, Target] = {}

    def add(
        self,
        primitive: Primitive,
        name: str,
        sources: tuple[int, ...],
        shape: tuple[int, ...] | None,
        owner: Node,
    ) -> tuple[int, ...]:
        """A kept node of an operator: what reads it reads from these."""
        self.primitives.append(primitive)
        self.names.append(name)
        self.predecessors.append(sources)
        self.shapes.append(shape)
        self.owners.append(owner)
        return (len(self.owners) - 1,)

    def answer(
        self,
        parameter: Parameter,
        decoding: Decoding,
        node: int,
        op: str,
        edges: tuple[tuple[int, int], ...] = (),
    ) -> None:
        # A tied parameter belongs to the node that reads it first.
        if parameter.name not in self.targets:
            self.targets[parameter.name] = Target(parameter, decoding, node, op, edges)

    def sources(self, node: Node) -> tuple[int, ...]:
        """The kept nodes that an operator reads from, each once, ascending."""
        inputs = node.inputs
        if len(inputs) == 1:
            return self.visible[inputs[0]]
        return tuple(sorted({source for name in inputs for source in self.visible[name]}))

    def edges(self, node: Node) -> tuple[tuple[int, int], ...]:
        """Of a convolution with `parts`, for each joined source the kept node that its channels come from."""
        parts = joined_channels(node)
        if not parts:
            return ()
        (source,) = node.inputs
        joined = self.nodes[source].inputs if self.nodes[source].op == "concat" else (source,)
        # A source that several kept nodes stand for (a sum that was dropped) is named by the last of them.
        ends = [self.visible[name][-1] for name in joined if self.visible[name]]
        return tuple(zip(ends, parts, strict=True)) if len(ends) == len(parts) else ()


def to_primitives(graph: ArchGraph) -> PrimitiveGraph:
    """Keep the 15 primitives, join the neighbours of everything dropped.

    Raises InvalidArchitecture if nothing is left but the input, and no parameter to answer.
    """
    builder = _Builder(graph)
    for node in graph.nodes:
        builder.visible[node.name] = _place(builder, node, builder.sources(node))
    for parameter in graph.unattached:
        builder.answer(parameter, Decoding.DEFAULT, -1, "")
    if len(builder.names) < 2 and not builder.targets:
        raise InvalidArchitecture(
            "The network has no operator that a GHN knows.", hint="Send a network with layers."
        )
    _mark_classifier(builder)
    _mark_exits(builder, graph)
    resolutions = tuple(_resolution(node) for node in builder.owners)
    exits = tuple(node.attrs.get(EXIT) is True for node in builder.owners)
    is_marked = any(exits) or max(resolutions, default=-1) >= 0
    return PrimitiveGraph(
        primitive_N=np.fromiter(builder.primitives, dtype=np.int64),
        shapes=tuple(builder.shapes),
        predecessors=tuple(builder.predecessors),
        names=tuple(builder.names),
        cells=tuple(-1 if node.cell is None else node.cell for node in builder.owners),
        # Kept parameters take part until here: which layer is the classifier does not depend on them.
        targets=tuple(target for target in builder.targets.values() if target.parameter.trainable),
        resolutions=resolutions if is_marked else (),
        exits=exits if is_marked else (),
    )


def _resolution(node: Node) -> int:
    resolution = node.attrs.get(RESOLUTION)
    return resolution if isinstance(resolution, int) else -1


def _place(builder: _Builder, node: Node, sources: tuple[int, ...]) -> tuple[int, ...]:
    """Add the primitive nodes of one operator; return what its readers see."""
    primitive = OPERATORS[node.op].primitive
    if not node.params:
        return _place_plain(builder, node, sources, primitive)
    params = {parameter.role: parameter for parameter in node.params}
    weight, bias = params.get("weight"), params.get("bias")
    if node.op in PRODUCTS:
        assert weight is not None  # checks.build_graph
        place = builder.add(_conv_primitive(node), weight.name, sources, weight.canonical_shape, node)
        builder.answer(weight, Decoding.WEIGHT, place[0], node.op, builder.edges(node))
        if bias is not None:
            place = builder.add(Primitive.BIAS, bias.name, place, bias.shape, node)
            builder.answer(bias, Decoding.BIAS, place[0], node.op)
        return place
    if node.op == "bias":
        (bias,) = node.params
        place = builder.add(Primitive.BIAS, bias.name, sources, bias.shape, node)
        builder.answer(bias, Decoding.BIAS, place[0], node.op)
        return place
    if node.op in NORMS:
        first = weight or bias
        assert first is not None and primitive is not None
        place = builder.add(primitive, first.name, sources, first.shape, node)
        if weight is not None:
            builder.answer(weight, Decoding.NORM_WEIGHT, place[0], node.op)
        if bias is not None:
            builder.answer(bias, Decoding.NORM_BIAS, place[0], node.op)
        return place
    if node.op == "position" and weight is not None and 2 <= len(weight.shape) <= 4:
        place = builder.add(Primitive.POS_ENC, weight.name, (), position_shape(weight), node)
        builder.answer(weight, Decoding.POSITION, place[0], node.op)
        if not sources:
            return place
        # "position" with an input is the sum of both.
        return builder.add(Primitive.SUM, f"{node.name}:sum", (*sources, *place), None, node)
    for parameter in node.params:
        builder.answer(parameter, Decoding.DEFAULT, -1, node.op)
    return _place_plain(builder, node, sources, primitive)


def _place_plain(
    builder: _Builder, node: Node, sources: tuple[int, ...], primitive: Primitive | None
) -> tuple[int, ...]:
    """Of an operator without parameters that a GHN decodes. A norm is nothing then: the reference never sees
    it.
    """
    if primitive is None or node.op in NORMS or (len(sources) < 2 and primitive in _JOINS):
        return sources
    return builder.add(primitive, node.name, sources, _pool_shape(node, primitive), node)


def _conv_primitive(node: Node) -> Primitive:
    groups = node.attrs.get("groups", 1)
    dilation = node.attrs.get("dilation", 1)
    smallest = min(dilation) if isinstance(dilation, tuple) else dilation
    if not isinstance(groups, int) or groups <= 1:
        return Primitive.CONV
    return Primitive.DIL_CONV if isinstance(smallest, int) and smallest > 1 else Primitive.SEP_CONV


def _pool_shape(node: Node, primitive: Primitive) -> tuple[int, ...] | None:
    if primitive not in (Primitive.MAX_POOL, Primitive.AVG_POOL):
        return None
    kernel = node.attrs.get("kernel_size", 1)
    sizes = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    height, width = (int(size) for size in (*sizes, *sizes)[-2:])  # type: ignore[arg-type]
    return (1, 1, height, width)


def position_shape(parameter: Parameter) -> tuple[int, ...]:
    """A position table as the GHN encodes it: (1, length, width) or (length, width) becomes (1, width, s,
    s), s = floor(sqrt(length))."""
    shape = parameter.canonical_shape
    if len(shape) not in (2, 3):
        return shape
    length, width = shape[-2:]
    side = int(length**0.5)
    return (1, width, side, side)


def _mark_classifier(builder: _Builder) -> None:
    """The last weight of the network and the bias behind it are the classifier's, if they give the network's
    output.

    A head that pools after its last convolution (SqueezeNet) has none: the reference decodes such a
    convolution like any other.
    """
    weights = [target for target in builder.targets.values() if target.decoding is Decoding.WEIGHT]
    if not weights:
        return
    # The deepest, and not the last in the file: networks that differ in the order of their nodes only are
    # the same network.
    depth = depths(builder.predecessors)
    weight = max(weights, key=lambda target: (depth[target.node], target.parameter.name))
    readers = [node for node, sources in enumerate(builder.predecessors) if weight.node in sources]
    biases = {target.node: target for target in builder.targets.values() if target.decoding is Decoding.BIAS}
    if not readers:
        builder.targets[weight.parameter.name] = replace(weight, decoding=Decoding.CLASS_WEIGHT)
        return
    bias = biases.get(readers[0])
    if (
        len(readers) == 1
        and bias is not None
        and not any(bias.node in sources for sources in builder.predecessors)
    ):
        builder.targets[weight.parameter.name] = replace(weight, decoding=Decoding.CLASS_WEIGHT)
        builder.targets[bias.parameter.name] = replace(bias, decoding=Decoding.CLASS_BIAS)


def _mark_exits(builder: _Builder, graph: ArchGraph) -> None:
    """The linear layers of early exits are classifiers, each of them."""
    exits = set(graph.exits)
    kinds = {"weight": Decoding.CLASS_WEIGHT, "bias": Decoding.CLASS_BIAS}
    for node in graph.nodes:
        if node.name not in exits or node.op != "linear":
            continue
        for parameter in node.params:
            target = builder.targets[parameter.name]
            builder.targets[parameter.name] = replace(target, decoding=kinds[parameter.role])
