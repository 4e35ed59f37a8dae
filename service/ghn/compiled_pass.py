"""One pass of the gated GNN over the levels of a batch, and its gradient, in one call of compiled code
(`gated_pass.cpp`), for arrays on the CPU.

Most levels are one node of some 32 numbers, so operations of arrays (`array_pass`) spend their time on being
called. The code is compiled when Weightcast is installed; where there is no compiler, `is_available` says no.
Both ways agree to rounding. Here a node's bits do not depend on what else is in the batch.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np

from service.ghn.array_pass import Array, Derivatives, Gradients, States, Weights
from service.ghn.messages import Messages

# Of the precision: its name in C, and how many numbers fill a vector. Widths must be multiples of it.
_PRECISIONS = {np.dtype(np.float32): ("float", 8), np.dtype(np.float64): ("double", 4)}
_SIZES = 4
_FORWARD_ARRAYS, _BACKWARD_ARRAYS = 16, 15


def is_available() -> bool:
    """Whether the compiled code is there."""
    return _library() is not None


def can_run(h0: Array, inner: int) -> bool:
    """Whether a pass over these states can run compiled: arrays on the CPU, of a known precision and widths.

    inner: width of the message MLPs, both together.
    """
    if not isinstance(h0, np.ndarray) or h0.dtype not in _PRECISIONS or not is_available():
        return False
    lanes = _PRECISIONS[h0.dtype][1]
    return h0.shape[1] % lanes == 0 and inner % lanes == 0


def forward(h0: Array, gh: Array, weights: Weights, edges: Messages, values: Array, reverse: bool) -> States:
    """As `array_pass.forward`."""
    num_nodes, width = h0.shape
    inner, kinds = len(weights.b_1), edges.kinds
    states = States(
        *(
            np.empty((num_nodes, columns), h0.dtype)
            for columns in (width, 2 * width, width, width, inner, kinds * width)
        )
    )
    places = edges.places_behind if reverse else edges.places_before
    scratch = np.empty(3 * width, h0.dtype)
    _call("forward", places, (kinds, width, inner), values, h0, gh, *weights, *states, scratch)
    return states


def backward(
    gradient: Array,
    states: States,
    derivatives: Derivatives,
    weights: Weights,
    edges: Messages,
    values: Array,
    reverse: bool,
) -> Gradients:
    """As `array_pass.backward`."""
    num_nodes, width = gradient.shape
    inner, kinds = states.p.shape[1], edges.kinds
    gradients = Gradients(
        *(
            np.empty((num_nodes, columns), gradient.dtype)
            for columns in (kinds * width, inner, width, 3 * width, width)
        )
    )
    places = edges.places_before if reverse else edges.places_behind
    inputs = gradient, states.p, states.x, *derivatives, weights.w_i, weights.w_1, weights.w_2
    _call("backward", places, (kinds, width, inner), values, *inputs, *gradients)
    return gradients


def _call(name: str, places: Array, sizes: tuple[int, int, int], *arrays: Array) -> None:
    library = _library()
    assert library is not None  # can_run
    arrays = tuple(np.ascontiguousarray(array) for array in arrays)
    function = getattr(library, f"{name}_{_PRECISIONS[arrays[0].dtype][0]}")
    function(places.ctypes.data, len(places), *sizes, *(array.ctypes.data for array in arrays))


@cache
def _library() -> ctypes.CDLL | None:
    for suffix in EXTENSION_SUFFIXES:
        path = Path(__file__).with_name(f"_gated_pass{suffix}")
        if path.exists():
            return load(path)
    return None


def load(path: Path) -> ctypes.CDLL:
    """The compiled code, with the types of its functions."""
    library = ctypes.CDLL(str(path))
    for name, arrays in (("forward", _FORWARD_ARRAYS), ("backward", _BACKWARD_ARRAYS)):
        for precision, _ in _PRECISIONS.values():
            function = getattr(library, f"{name}_{precision}")
            function.restype = None
            function.argtypes = [ctypes.c_void_p, *[ctypes.c_int64] * _SIZES, *[ctypes.c_void_p] * arrays]
    return library
