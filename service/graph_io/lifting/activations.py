"""Activations that are a product of their input with a function of it: GELU, SiLU, hard swish, Mish."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from service.graph_io.archgraph import AttrValue
from service.graph_io.lifting.linked import LinkedGraph, LinkedNode, marks_of
from service.graph_io.lifting.numbers import Array, computed, equal, erf
from service.graph_io.lifting.regions import Readers, factor_of, kind_of, only_reader, region

Attributes = dict[str, AttrValue]

# By kind: attributes, and what the activation is with them.
_FUNCTIONS: dict[str, tuple[tuple[Attributes, Callable[[Array], Array]], ...]] = {
    "gelu": (
        ({}, lambda x: x * (1 + erf(x / math.sqrt(2))) / 2),
        ({"tanh": True}, lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2),
    ),
    "silu": (({}, lambda x: x / (1 + np.exp(-x))),),
    "mish": (({}, lambda x: x * np.tanh(np.log1p(np.exp(x)))),),
    "hardswish": (({}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),),
}
_ALLOWED = frozenset({"unary", "activation", "add", "mul", "merge"})
# Constants that follow the product.
_TAIL_FACTORS = {"gelu": 0.5, "hardswish": 1 / 6}


def find_activations(graph: LinkedGraph) -> None:
    """x * f(x) becomes one activation."""
    products = [node for node in graph.nodes if node.op == "mul" and _has_two_factors(node)]
    if not products:
        return
    readers = graph.readers()
    for node in products:
        for factor, gate in (node.inputs, node.inputs[::-1]):
            if _become(node, factor, gate, readers):
                break
    graph.prune()


def _has_two_factors(node: LinkedNode) -> bool:
    return len(node.inputs) == 2 and not node.params and node.inputs[0] is not node.inputs[1]


def _become(node: LinkedNode, factor: LinkedNode, gate: LinkedNode, readers: Readers) -> bool:
    entries = [factor] if factor_of(factor) is None else [factor, factor.inputs[0]]
    for entry in entries:
        inside = region(gate, entry, most=12)
        kind = _kind(inside) if inside and all(part.op in _ALLOWED for part in inside) else ""
        if not kind:
            continue
        tail = _with_tail_factor(node, kind, readers)
        x = np.linspace(-8, 8, 101)
        result = computed(tail, entry, x)
        if result is None:
            marks = marks_of(tail, node, *inside or ())
            attrs = {"kind": kind, **marks} if marks else None
        else:
            attrs = _attributes(kind, x, result)
        if attrs is None:
            # Another function of the same kind, such as x * sigmoid(1.702 x).
            continue
        tail.op, tail.inputs, tail.attrs = "activation", [entry], attrs
        return True
    return False


def _attributes(kind: str, x: Array, result: Array) -> Attributes | None:
    """The attributes with which the activation gives the result, None if it gives it with none."""
    for attrs, function in _FUNCTIONS[kind]:
        if equal(result, function(x)):
            return {"kind": kind, **attrs}
    return None


def _kind(inside: list[LinkedNode]) -> str:
    kinds = {_name(node) for node in inside}
    if "erf" in kinds:
        return "gelu"
    if "tanh" in kinds:
        return "mish" if kinds & {"softplus", "exp"} else "gelu"
    if "sigmoid" in kinds:
        return "silu"
    return "hardswish" if kinds & {"hardsigmoid", "relu6", "clip01"} else ""


def _name(node: LinkedNode) -> AttrValue:
    """The function of a node; "clip01" for one that keeps its input between 0 and 1."""
    limits = (node.attrs.get("min_val", -1.0), node.attrs.get("max_val", 1.0))
    return "clip01" if kind_of(node) == "hardtanh" and limits == (0.0, 1.0) else kind_of(node)


def _with_tail_factor(node: LinkedNode, kind: str, readers: Readers) -> LinkedNode:
    reader = only_reader(readers, node)
    factor, usual = None if reader is None else factor_of(reader), _TAIL_FACTORS.get(kind)
    if reader is None or factor is None or usual is None or not math.isclose(factor, usual, rel_tol=1e-3):
        return node
    return reader
