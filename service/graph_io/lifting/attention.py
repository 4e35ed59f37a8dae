"""softmax(q k^T * scale + tables) v, however a network or an exporter writes it, as one attention.

The product with the values becomes an attention that reads q, k, v as they enter the products, and behind
them whatever else enters the scores: tables of relative positions, temperatures, masks. A softmax that is no
product of q and k (outlook attention, attention factorised differently), or that learned layers follow
(talking heads), stays; its product with the values becomes an attention of scores and values.

Exporters write torch's fused attention with the square root of the factor at q and at k. It becomes what
the fused call is: k as it was before it was transposed, and no factor where it is the usual one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from service.graph_io.archgraph import AttrValue, Parameter
from service.graph_io.attributes import APPROXIMATE
from service.graph_io.lifting.linked import Layout, LinkedGraph, LinkedNode, unique
from service.graph_io.lifting.regions import factor_of
from service.graph_io.lifting.relative import is_relative

_UNCLEAR = "it is not softmax(q k + table) v in so many words"
_TABLES = frozenset({"bias", "position", "relative_position"})
# What may lie between the two products without being a layer of its own.
_LIGHT = _TABLES | frozenset(
    "softmax unary activation reshape flatten permute slice pad add mul merge channel_gate layer_scale "
    "parameter".split()
)
_MIXES_HEADS = frozenset(
    "linear conv batch_norm layer_norm unary reshape flatten permute add slice bias".split()
)
# Far enough for masks, windows, biases and dropouts; not far enough to walk through a block.
_REACH = 48
_SHORT_REACH = 8
# Files store numbers in float32.
_TOLERANCE = 1e-5


def find_attention(graph: LinkedGraph) -> None:
    """The product with the values becomes an attention node."""
    if any(node.op == "softmax" for node in graph.nodes):
        _Finder(graph).run()


@dataclass(slots=True)
class _Scores:
    """What attention weights were computed from.

    product: of queries and keys. path: from the weights back to it. factor: of the scores; None if the path
    is more than a softmax, a factor and tables.
    """

    product: LinkedNode
    path: list[LinkedNode]
    factor: float | None


@dataclass(slots=True)
class _Finder:
    """live: nodes that depend on the input. before: what an attention reads that is to be put before it.
    sources: of parameters, by what they are. passed: nodes whose parameters have become such sources.
    """

    graph: LinkedGraph
    names: set[str] = field(init=False)
    live: set[LinkedNode] = field(init=False)
    before: dict[LinkedNode, list[LinkedNode]] = field(default_factory=dict)
    sources: dict[tuple[str, AttrValue], LinkedNode] = field(default_factory=dict)
    passed: list[LinkedNode] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = {node.name for node in self.graph.nodes}
        self.live = self.graph.live()

    def run(self) -> None:
        for node in self.graph.nodes:
            if node.op != "matmul" or len(node.inputs) != 2 or node not in self.live:
                continue
            for weights, values in (node.inputs, node.inputs[::-1]):
                if values in self.live and self._become(node, weights, values):
                    break
        self.graph.nodes = [part for node in self.graph.nodes for part in (*self.before.get(node, ()), node)]
        read = self.graph.reaching()
        for part in self.passed:
            if part not in read:
                part.params = ()
        self.graph.prune()

    def _become(self, node: LinkedNode, weights: LinkedNode, values: LinkedNode) -> bool:
        scores = self._scores(node, weights, values)
        heads = _heads(weights if scores is None else scores.product)
        attrs: dict[str, AttrValue] = {"heads": heads, "layout": "heads"}
        if scores is not None:
            attrs |= {APPROXIMATE: _UNCLEAR} if scores.factor is None else {}
            inputs = [*self._queries_and_keys(node, scores, attrs), values, *self._added(node, scores)]
        elif self._is_softmax(weights):
            inputs, attrs["layout"] = [weights, values], "scores"
        else:
            return False
        node.op, node.attrs, node.inputs = "attention", attrs, inputs
        return True

    def _scores(self, node: LinkedNode, weights: LinkedNode, values: LinkedNode) -> _Scores | None:
        path = self._path(weights, self._is_product)
        if path is None or not any(part.op == "softmax" for part in path):
            return None
        *path, product = path
        plain = node.inputs == [weights, values] and not node.attrs and not product.attrs
        known = plain and product.shape is not None and len(product.shape) in (3, 4)
        return _Scores(product, path, _factor(path) if known else None)

    def _is_product(self, node: LinkedNode) -> bool:
        return node.op == "matmul" and len(node.inputs) == 2 and self.live.issuperset(node.inputs)

    def _is_softmax(self, weights: LinkedNode) -> bool:
        direct = self._path(weights, lambda part: part.op == "softmax")
        return direct is not None or _are_mixed_heads(weights, self.live)

    def _path(self, start: LinkedNode, is_goal: Callable[[LinkedNode], bool]) -> list[LinkedNode] | None:
        """The nodes from `start` back to one that is the goal, through light functions."""
        readers: dict[LinkedNode, LinkedNode | None] = {start: None}
        stack = [start]
        while stack and len(readers) < _REACH:
            node = stack.pop()
            if is_goal(node):
                path, step = [node], readers[node]
                while step is not None:
                    path.append(step)
                    step = readers[step]
                return path[::-1]
            if node.op in _LIGHT:
                for source in reversed(node.inputs):
                    if source in self.live and source not in readers:
                        readers[source] = node
                        stack.append(source)
        return None

    def _queries_and_keys(
        self, node: LinkedNode, scores: _Scores, attrs: dict[str, AttrValue]
    ) -> list[LinkedNode]:
        """Queries and keys, with what is to be said of them added to the attributes."""
        query, key = scores.product.inputs
        factors = factor_of(query), factor_of(key)
        width = query.shape[-1] if query.shape else None
        if scores.factor is None:
            return [query, key]
        if scores.factor != 1 or None in factors or factors[0] != factors[1] or width is None:
            attrs |= {"keys_transposed": True, "scale": scores.factor}
            return [query, key]
        factor = float(factors[0] or 0) ** 2
        if not math.isclose(factor, width**-0.5, rel_tol=_TOLERANCE):
            attrs["scale"] = factor
        return [query.inputs[0], self._transposed(node, key.inputs[0])]

    def _transposed(self, node: LinkedNode, key: LinkedNode) -> LinkedNode:
        assert key.shape is not None
        rank = len(key.shape)
        order = (*range(rank - 2), rank - 1, rank - 2)
        keys = LinkedNode(unique(f"{node.name}/keys", self.names), "permute", [key], (), {"axes": order})
        keys.shape = tuple(key.shape[axis] for axis in order)
        keys.layout = None if key.layout is None else key.layout.permuted(order)
        self.before.setdefault(node, []).append(keys)
        return keys

    def _added(self, node: LinkedNode, scores: _Scores) -> list[LinkedNode]:
        """What else enters the scores; parameters on the path become sources of their own."""
        on_path = {scores.product, *scores.path}
        added: dict[LinkedNode, None] = {}
        for part in scores.path:
            added |= dict.fromkeys(source for source in part.inputs if source not in on_path)
            added |= dict.fromkeys(self._source(node, part, parameter) for parameter in part.params)
            if part.params:
                self.passed.append(part)
        return list(added)

    def _source(self, node: LinkedNode, part: LinkedNode, parameter: Parameter) -> LinkedNode:
        is_table = sum(size > 1 for size in parameter.shape) > 1 or is_relative(parameter.name)
        op, role = ("relative_position", "weight") if is_table else ("parameter", "gain")
        attrs = {name: value for name, value in part.attrs.items() if name in ("shape", APPROXIMATE)}
        key = (parameter.name, attrs.get("shape"))
        if key not in self.sources:
            name = unique(parameter.name, self.names)
            source = LinkedNode(name, op, [], (replace(parameter, role=role),), attrs)
            placed = attrs.get("shape")
            sizes = tuple(map(int, placed)) if isinstance(placed, tuple) else parameter.shape
            source.shape, source.layout = sizes, Layout(sizes, None)
            self.sources[key] = source
            self.before.setdefault(node, []).append(source)
        return self.sources[key]


def _factor(path: list[LinkedNode]) -> float | None:
    """The factor of the scores, if the path from the weights is a softmax over the last axis, tables that are
    added, and a factor.
    """
    softmax, *rest = path
    if softmax.op != "softmax" or softmax.attrs.get("log") or APPROXIMATE in softmax.attrs:
        return None
    if softmax.attrs.get("axis", -1) not in (-1, len(softmax.shape or ()) - 1):
        return None
    factor = 1.0
    for part in rest:
        own = factor_of(part)
        if own is not None:
            factor *= own
        elif factor != 1 or not _adds_one(part):
            return None
    return factor


def _adds_one(part: LinkedNode) -> bool:
    # A mark on a table says that the table is computed first; the mark goes with it.
    return part.op in _TABLES or (part.op == "add" and not part.attrs and len(part.inputs) == 2)


def _heads(weights: LinkedNode) -> int | None:
    sizes = weights.shape if weights.layout is None else weights.layout.sizes
    return None if sizes is None else sizes[-3] if len(sizes) > 2 else 1


def _are_mixed_heads(node: LinkedNode, live: set[LinkedNode]) -> bool:
    """Whether a value is a softmax whose heads learned layers have mixed (talking heads)."""
    for _ in range(_SHORT_REACH):
        if node.op == "softmax":
            return True
        sources = [source for source in node.inputs if source in live]
        if node.op not in _MIXES_HEADS or len(sources) != 1:
            return False
        node = sources[0]
    return False
