"""What a group of nodes without parameters computes, on a few numbers.

Groups are recognised by the operators in them. Whether one really is the function that it is taken for (the
0.7978 of a GELU, the epsilon of a norm) is told by computing both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.graph_io.archgraph import AttrValue
from service.graph_io.lifting.linked import LinkedNode, Shape, integers
from service.graph_io.lifting.regions import kind_of

Array = NDArray[np.float64]

erf = np.vectorize(math.erf, otypes=[np.float64])
_ONE: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "erf": erf,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "square": np.square,
    "reciprocal": lambda x: 1 / x,
    "neg": np.negative,
    "abs": np.abs,
}
_TWO: dict[str, Callable[[Any, Any], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "pow": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
_LIMITS = {"min_val": -1.0, "max_val": 1.0}
_LARGEST = 2**16
_OF_KINDS = frozenset({"unary", "activation", "merge"})


def computed(tail: LinkedNode, entry: LinkedNode, x: Array) -> Array | None:
    """The numbers of `tail` where those of `entry` are x; None if some step is not known exactly."""
    known: dict[LinkedNode, Array] = {entry: x}
    stack = [tail]
    with np.errstate(all="ignore"):
        while stack:
            node = stack[-1]
            missing = [source for source in node.inputs if source not in known]
            if node in known:
                stack.pop()
            elif missing:
                stack.extend(missing)
            else:
                result = _step(node, [known[source] for source in node.inputs])
                if result is None:
                    return None
                known[node] = result
    return known[tail]


def _step(node: LinkedNode, inputs: list[Array]) -> Array | None:
    if not node.exact or node.params or not inputs:
        return None
    names, first = node.attrs.keys() - {"kind"}, inputs[0]
    if node.op in ("add", "mul") and not node.attrs:
        return np.asarray(reduce(np.add if node.op == "add" else np.multiply, inputs))
    if node.op == "global_avg_pool" and set(integers(node.attrs.get("output_size"))) <= {1}:
        keep = bool(node.attrs.get("keepdims", True))
        return np.asarray(np.mean(first, tuple(range(2, first.ndim)), keepdims=keep))
    if node.op not in _OF_KINDS:
        return None
    kind = str(kind_of(node))
    if kind == "mean" and names <= {"axes", "keepdims"}:
        return np.asarray(np.mean(first, _axes(node, "axes"), keepdims=bool(node.attrs.get("keepdims"))))
    if kind == "var" and names <= {"dim", "correction", "keepdim"}:
        rest, keep = _number(node.attrs.get("correction", 1)), bool(node.attrs.get("keepdim"))
        return np.asarray(np.var(first, _axes(node, "dim"), ddof=rest, keepdims=keep))
    if kind == "hardtanh" and names <= {"min_val", "max_val"}:
        low, high = (_number(node.attrs.get(name, default)) for name, default in _LIMITS.items())
        return np.clip(first, low, high)
    if len(inputs) == 1 and kind in _ONE and not names:
        return _ONE[kind](first)
    if kind not in _TWO or not names <= {"value", "reversed"}:
        return None
    left, right = (*inputs, node.attrs.get("value"))[:2]
    if right is None:
        return None
    return _TWO[kind](right, left) if node.attrs.get("reversed") else _TWO[kind](left, right)


def _axes(node: LinkedNode, name: str) -> tuple[int, ...] | None:
    return integers(node.attrs.get(name)) or None


def _number(value: AttrValue) -> float:
    return float(str(value))


def sample(shape: Shape) -> Array | None:
    """A few entries for every axis that has several; None if the axes are not known, or are too many. What
    functions of single numbers and means compute does not depend on the sizes.
    """
    if shape is None:
        return None
    sizes = tuple(1 if size == 1 else 2 + axis % 3 for axis, size in enumerate(shape))
    if math.prod(sizes) > _LARGEST:
        return None
    return np.random.default_rng(0).normal(size=sizes)


def equal(result: Array, expected: Array) -> bool:
    return result.shape == expected.shape and np.allclose(result, expected, 1e-4, 1e-5)
