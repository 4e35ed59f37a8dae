"""Whether two primitive graphs are the same, whatever the order and the names of nodes without parameters.

Colours are refined until they are stable (Weisfeiler and Leman 1968): every node's colour takes in those of
the nodes it reads and of the nodes that read it. Parameter names are unique, so in graphs of networks equal
colours mean the same node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.graph_io.primitives import Primitive, PrimitiveGraph

_POOLS = ("max_pool", "avg_pool")


@dataclass(frozen=True)
class LabelledGraph:
    """labels: what each node is by itself. predecessors: indices of the nodes that each one reads."""

    labels: tuple[Any, ...]
    predecessors: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, graph: PrimitiveGraph) -> LabelledGraph:
        owned = {target.node: target.parameter.name for target in reversed(graph.targets) if target.node >= 0}
        labels = tuple(
            (Primitive(kind).name.lower(), owned.get(index, ""), shape)
            for index, (kind, shape) in enumerate(zip(graph.primitive_N, graph.shapes, strict=True))
        )
        return cls(labels, graph.predecessors)

    @classmethod
    def of_fixture(cls, document: dict[str, Any]) -> LabelledGraph:
        """A graph of the reference implementation, in the format of the parity fixtures (cut-off 1)."""
        labels = tuple(
            (
                kind,
                name if shape is not None and kind not in _POOLS else "",
                None if shape is None else tuple(shape),
            )
            for kind, name, shape in zip(
                document["primitives"], document["raw_names"], document["param_shapes"], strict=True
            )
        )
        predecessors: list[list[int]] = [[] for _ in labels]
        for source, target, _ in document["edges"]:
            predecessors[target].append(source)
        return cls(labels, tuple(tuple(sorted(sources)) for sources in predecessors))

    def without(self, kinds: Sequence[str]) -> LabelledGraph:
        """Leave out nodes of some kinds and join their neighbours."""
        visible: list[tuple[int, ...]] = []
        labels: list[Any] = []
        predecessors: list[tuple[int, ...]] = []
        for label, sources in zip(self.labels, self.predecessors, strict=True):
            seen = tuple(sorted({kept for source in sources for kept in visible[source]}))
            if label[0] in kinds:
                visible.append(seen)
                continue
            visible.append((len(labels),))
            labels.append(label)
            predecessors.append(seen)
        return LabelledGraph(tuple(labels), tuple(predecessors))

    def colours(self) -> Counter[int]:
        readers: list[list[int]] = [[] for _ in self.labels]
        for target, sources in enumerate(self.predecessors):
            for source in sources:
                readers[source].append(target)
        colours = [hash(label) for label in self.labels]
        while True:
            finer = [
                hash(
                    (
                        colour,
                        tuple(sorted(colours[s] for s in sources)),
                        tuple(sorted(colours[r] for r in read_by)),
                    )
                )
                for colour, sources, read_by in zip(colours, self.predecessors, readers, strict=True)
            ]
            if len(set(finer)) == len(set(colours)):
                return Counter(finer)
            colours = finer


def assert_same_graph(ours: LabelledGraph, theirs: LabelledGraph) -> None:
    only_ours, only_theirs = Counter(ours.labels), Counter(theirs.labels)
    assert only_ours - only_theirs == only_theirs - only_ours == Counter(), "nodes differ"
    assert ours.colours() == theirs.colours(), "the same nodes, but other edges"
