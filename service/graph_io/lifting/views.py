"""Reshapes, permutations and parts of a tensor, one behind the other, in one normal form.

What such a chain does to the numbers of one tensor is: take parts of axes, split axes, reorder the pieces,
merge them. Chains that do the same become the same nodes: a slice, a reshape to the pieces, a permutation
and a reshape, each only where it is needed. A chain that changes nothing is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from service.graph_io.archgraph import AttrValue
from service.graph_io.attributes import APPROXIMATE
from service.graph_io.lifting.linked import Layout, LinkedGraph, LinkedNode, integers, unique
from service.graph_io.lifting.normal_form import View, normal_form
from service.graph_io.lifting.pieces import Chain, Inexpressible

_VIEWS = frozenset({"reshape", "flatten", "permute", "slice"})


def normalise_views(graph: LinkedGraph) -> None:
    """Rewrite every chain of views that something else reads."""
    chains: dict[LinkedNode, Chain] = {}
    for node in graph.nodes:
        chain = _chain(node, chains)
        if chain is not None:
            chains[node] = chain
    if not chains:
        return
    readers = graph.readers()
    rewriter = _Rewriter(graph)
    replacements: dict[LinkedNode, LinkedNode] = {}
    for node in graph.nodes:
        chain = chains.get(node)
        if chain is not None and any(
            reader is node or _ends(chains, node, reader) for reader in readers[node]
        ):
            replacements[node] = rewriter.normal(node, chain, replacements.get(chain.root, chain.root))
        else:
            rewriter.nodes.append(node)
    graph.nodes = rewriter.nodes
    graph.replace(replacements)


def _ends(chains: dict[LinkedNode, Chain], node: LinkedNode, reader: LinkedNode) -> bool:
    """Whether a chain ends where the reader reads it."""
    return reader not in chains or chains[reader].root is node


def _chain(node: LinkedNode, chains: dict[LinkedNode, Chain]) -> Chain | None:
    """What a node shows of the tensor that its chain begins with; None if it is no view. Where it cannot be
    told of that tensor (another split of joined axes), a chain of its own begins.
    """
    source = node.inputs[0] if node.inputs else node
    if node.op not in _VIEWS or node.layout is None or source.layout is None or APPROXIMATE in node.attrs:
        return None
    for chain in (chains.get(source), Chain.whole(source, source.layout)):
        try:
            if chain is not None:
                return _viewed(node, node.layout, chain)
        except Inexpressible:
            continue
    return None


def _viewed(node: LinkedNode, layout: Layout, chain: Chain) -> Chain:
    attrs = node.attrs
    if node.op in ("reshape", "flatten"):
        return chain.reshaped(layout)
    axes = integers(attrs.get("axes"))
    if node.op == "permute":
        return chain.permuted(axes)
    starts, ends, steps = (integers(attrs.get(name)) for name in ("starts", "ends", "steps"))
    if set(steps) - {1} or not len(axes) == len(starts) == len(ends) or "kind" in attrs:
        raise Inexpressible
    return chain.cut(tuple(zip(axes, starts, ends, strict=True)), integers(attrs.get("dropped")))


@dataclass(slots=True)
class _Rewriter:
    """nodes: of the graph to be. made: those of normal forms, by what they read and do: each is made once."""

    graph: LinkedGraph
    nodes: list[LinkedNode] = field(default_factory=list)
    made: dict[tuple[LinkedNode, str, tuple[tuple[str, AttrValue], ...]], LinkedNode] = field(
        default_factory=dict
    )
    names: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.names = {node.name for node in self.graph.nodes}

    def normal(self, node: LinkedNode, chain: Chain, root: LinkedNode) -> LinkedNode:
        """The last node of the chain's normal form. root: what it begins with, rewritten itself."""
        views = normal_form(chain)
        last = root
        for place, view in enumerate(views):
            last = self._made(last, view, node.name if place == len(views) - 1 else "", node.name)
        return last

    def _made(self, source: LinkedNode, view: View, name: str, chain: str) -> LinkedNode:
        key = (source, view.op, tuple(sorted(view.attrs.items())))
        if key not in self.made:
            if not name:
                name = unique(f"{chain}/{view.op}", self.names)
            made = LinkedNode(name, view.op, [source], (), dict(view.attrs), None, view.layout)
            self.made[key] = made
            self.nodes.append(made)
        return self.made[key]
