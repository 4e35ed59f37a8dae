"""What a group of drafts without parameters computes, on a few numbers.

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
from service.graph_io.onnx.draft import Draft, Shape

Array = NDArray[np.float64]

_erf = np.vectorize(math.erf, otypes=[np.float64])
_ONE: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "erf": _erf,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
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
_LARGEST = 2**18


def computed(tail: Draft, entry: Draft, x: Array) -> Array | None:
    """The numbers of `tail` where those of `entry` are x; None if some step is not known exactly."""
    known: dict[Draft, Array] = {entry: x}
    stack = [tail]
    with np.errstate(all="ignore"):
        while stack:
            draft = stack[-1]
            missing = [source for source in draft.inputs if source not in known]
            if draft in known:
                stack.pop()
            elif missing:
                stack.extend(missing)
            else:
                result = _step(draft, [known[source] for source in draft.inputs])
                if result is None:
                    return None
                known[draft] = result
    return known[tail]


def _step(draft: Draft, inputs: list[Array]) -> Array | None:
    if not draft.exact or draft.owned or not inputs:
        return None
    if draft.op in ("add", "mul"):
        function = np.add if draft.op == "add" else np.multiply
        return np.asarray(reduce(function, inputs))
    if draft.op == "global_avg_pool":
        return np.asarray(np.mean(inputs[0], tuple(range(2, inputs[0].ndim)), keepdims=True))
    kind = str(draft.attrs.get("kind", "relu"))
    if kind == "mean":
        axes = _axes(draft.attrs.get("axes"))
        return np.asarray(np.mean(inputs[0], axes, keepdims=bool(draft.attrs.get("keepdims"))))
    if kind == "hardtanh":
        low, high = (float(str(draft.attrs[name])) for name in ("min_val", "max_val"))
        return np.clip(inputs[0], low, high)
    if len(inputs) == 1 and kind in _ONE:
        return _ONE[kind](inputs[0])
    if kind not in _TWO:
        return None
    left, right = (*inputs, draft.attrs.get("value"))[:2]
    if right is None:
        return None
    return _TWO[kind](right, left) if draft.attrs.get("reversed") else _TWO[kind](left, right)


def _axes(value: AttrValue) -> tuple[int, ...] | None:
    return tuple(int(axis) for axis in value) if isinstance(value, tuple) else None


def sample(shape: Shape) -> Array | None:
    """Numbers of a shape whose unknown sizes are 2; None if there are too many."""
    if shape is None:
        return None
    sizes = tuple(2 if dim is None else dim for dim in shape)
    if math.prod(sizes) > _LARGEST or 0 in sizes:
        return None
    return np.random.default_rng(0).normal(size=sizes)


def equal(result: Array | None, expected: Array) -> bool:
    return result is not None and result.shape == expected.shape and np.allclose(result, expected, 1e-4, 1e-5)
