"""Arithmetic on the few small constants that say how the network computes: shapes, axes, scales.

Nothing here is larger than MAX_KNOWN_VALUES numbers. An entry that depends on the input's size is UNKNOWN
and stays so.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.graph_io.onnx.op import Op
from service.graph_io.onnx.tensors import MAX_KNOWN_VALUES, NUMPY_TYPES, small_values
from service.graph_io.onnx.values import UNKNOWN, Value

Array = NDArray[Any]

Rule = Callable[[Op, list[Array]], Array | None]
Fold = Callable[[Op, list[Value]], Array | None]


def of_constants(rule: Rule, *, first_only: bool = False) -> Fold:
    """The result of an operation on known small constants, None where it is not known, not small, or not
    needed.

    first_only: the other inputs need not be known.
    """

    def fold(op: Op, inputs: list[Value]) -> Array | None:
        constants = [value.const for value in (inputs[:1] if first_only else inputs)]
        known = [constant for constant in constants if constant is not None]
        if len(known) < len(constants):
            return None
        try:
            with np.errstate(all="ignore"):
                result = rule(op, known)
        except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError):
            # A malformed constant expression steers nothing; the shapes that matter are checked on the
            # parameters.
            return None
        return result if result is not None and result.size <= MAX_KNOWN_VALUES else None

    return fold


def each(function: Callable[..., Array]) -> Fold:
    """Of a function of single numbers."""
    return of_constants(lambda op, known: _elementwise(function, known))


def shape_of(op: Op, inputs: list[Value]) -> Array | None:
    """The sizes of the input's axes, or how many numbers it has."""
    shape = inputs[0].shape if inputs else None
    if shape is None:
        return None
    dims = [UNKNOWN if dim is None else dim for dim in shape]
    if op.type == "Size":
        total = UNKNOWN if UNKNOWN in dims else prod(dims)
        return np.array(total, dtype=np.int64) if abs(total) < 2**63 else None
    start, end = op.attrs.get("start", 0), op.attrs.get("end")
    if any(abs(dim) >= 2**63 for dim in dims):
        return None
    return np.array(dims[start:end], dtype=np.int64)


def _elementwise(function: Callable[..., Array], known: list[Array]) -> Array | None:
    if prod(np.broadcast_shapes(*(array.shape for array in known))) > MAX_KNOWN_VALUES:
        return None
    result = known[0] if len(known) > 1 else function(known[0])
    for array in known[1:]:
        result = function(result, array)
    return _keep_unknown(np.asarray(result), known)


def _keep_unknown(result: Array, known: list[Array]) -> Array | None:
    unknown = np.zeros(result.shape, dtype=bool)
    for array in known:
        if array.dtype.kind in "iu":
            unknown |= array == UNKNOWN
    if not unknown.any():
        return result
    if result.dtype.kind != "i":
        return None
    return np.where(unknown, UNKNOWN, result)


def _divide(op: Op, known: list[Array]) -> Array | None:
    left, right = known
    if left.dtype.kind in "iu" and right.dtype.kind in "iu":
        if (right == 0).any():
            return None
        # ONNX rounds towards zero; sizes are positive, so flooring is the same where it matters.
        return _elementwise(np.floor_divide, known)
    return _elementwise(np.divide, known)


def _modulo(op: Op, known: list[Array]) -> Array | None:
    return None if (known[1] == 0).any() else _elementwise(np.mod, known)


def _cast(op: Op, known: list[Array]) -> Array | None:
    (array,) = known[:1]
    dtype = NUMPY_TYPES.get(op.attrs.get("to", 0)) if op.type == "Cast" else None
    if dtype is None or (array.dtype.kind in "iu" and dtype.kind == "i"):
        return array
    if array.dtype.kind in "iu" and (array == UNKNOWN).any():
        return None
    return array.astype(dtype)


def _axes(op: Op, known: list[Array]) -> tuple[int, ...] | None:
    if "axes" in op.attrs:
        return tuple(op.attrs["axes"])
    return tuple(int(axis) for axis in np.atleast_1d(known[1])) if len(known) > 1 else None


def _unsqueeze(op: Op, known: list[Array]) -> Array | None:
    axes = _axes(op, known)
    return None if axes is None or len(axes) > 4 else np.expand_dims(known[0], axes)


def _squeeze(op: Op, known: list[Array]) -> Array:
    axes = _axes(op, known)
    return np.squeeze(known[0], axes)


def _gather(op: Op, known: list[Array]) -> Array:
    return np.take(known[0], known[1].astype(np.int64), axis=op.attrs.get("axis", 0))


def _concat(op: Op, known: list[Array]) -> Array:
    return np.concatenate(known, axis=op.attrs.get("axis", 0))


def _reshape(op: Op, known: list[Array]) -> Array:
    return known[0].reshape(tuple(int(dim) for dim in known[1]))


def _slice(op: Op, known: list[Array]) -> Array:
    if "starts" in op.attrs:
        starts, ends, axes, steps = op.attrs["starts"], op.attrs["ends"], op.attrs.get("axes"), None
    else:
        starts, ends, axes, steps = (
            None if place >= len(known) else [int(number) for number in known[place].reshape(-1)]
            for place in (1, 2, 3, 4)
        )
    index = [slice(None)] * known[0].ndim
    places = range(len(starts)) if axes is None else axes
    for axis, *part in zip(places, starts, ends, steps or (1,) * len(starts), strict=True):
        index[axis] = slice(*part)
    return known[0][tuple(index)]


def _transpose(op: Op, known: list[Array]) -> Array:
    return np.transpose(known[0], op.attrs.get("perm"))


def _where(op: Op, known: list[Array]) -> Array | None:
    result = np.where(*known)
    return result


def _filled(op: Op, known: list[Array]) -> Array | None:
    shape = tuple(int(dim) for dim in known[0])
    if len(shape) > 8 or any(dim < 0 for dim in shape) or prod(shape) > MAX_KNOWN_VALUES:
        return None
    value = small_values(op.tensors["value"]) if "value" in op.tensors else np.zeros(1, np.float32)
    return None if value is None or value.size != 1 else np.full(shape, value.reshape(()))


def _range(op: Op, known: list[Array]) -> Array | None:
    start, end, step = (array.reshape(()) for array in known)
    if UNKNOWN in (start, end, step) or step == 0 or abs((end - start) / step) > MAX_KNOWN_VALUES:
        return None
    first, last, by = (array.item() for array in (start, end, step))
    return np.arange(first, last, by)


def _power(op: Op, known: list[Array]) -> Array | None:
    return _elementwise(np.power, [known[0].astype(np.float64), known[1].astype(np.float64)])


def _product(op: Op, known: list[Array]) -> Array | None:
    if (known[0] == UNKNOWN).any() or len(known) > 1 or "axes" in op.attrs:
        return None
    total = np.prod(known[0])
    return np.asarray(total if op.attrs.get("keepdims", 1) == 0 else total.reshape((1,) * known[0].ndim))


def _square_root(array: Array) -> Array:
    return np.asarray(np.sqrt(array.astype(np.float64)))


def _inverse(array: Array) -> Array:
    return np.asarray(1.0 / array.astype(np.float64))


SAME = of_constants(lambda op, known: known[0], first_only=True)
CAST = of_constants(_cast, first_only=True)
UNSQUEEZE, SQUEEZE, RESHAPE = of_constants(_unsqueeze), of_constants(_squeeze), of_constants(_reshape)
GATHER, CONCAT, PART, TRANSPOSE = map(of_constants, (_gather, _concat, _slice, _transpose))
WHERE, FILLED, RANGE = of_constants(_where), of_constants(_filled), of_constants(_range)
DIVIDE, MODULO, POWER, PRODUCT = map(of_constants, (_divide, _modulo, _power, _product))
SQUARE_ROOT, INVERSE = each(_square_root), each(_inverse)
