"""One pass of the gated GNN over the levels of a batch, and its gradient, in operations of arrays: numpy's
on the CPU, torch's elsewhere. `compiled_pass` is the same pass in one call.

Shape legend: N nodes, L nodes of one level, C width of a state, P width of the message MLPs, K kinds of
messages
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from service.ghn.messages import Messages
from service.ghn.threads import single_blas_thread_in

# An array of numpy or a tensor; which one, depends on the device.
Array = Any


class Weights(NamedTuple):
    """Matrices are (inputs, outputs) and contiguous. w_i (C, 3C), b_i (3C): of the GRU's gates r, z, n.
    w_1 (C, P), w_2 (P, KC): of the message MLPs, joined."""

    w_i: Array
    b_i: Array
    w_1: Array
    b_1: Array
    w_2: Array
    b_2: Array


class States(NamedTuple):
    """What a pass computes, a row a node. m (N, C): the sum of the messages. rz (N, 2C), n (N, C): the gates.
    h (N, C): the new state. p (N, P), x (N, KC): the layers of the message MLPs, x the messages."""

    m: Array
    rz: Array
    n: Array
    h: Array
    p: Array
    x: Array


class Derivatives(NamedTuple):
    """Of the gates, (N, C) each: of n by its input and the new state, z by the same, r by n's input."""

    dn_dh: Array
    dz_dh: Array
    dr_dn: Array


class Gradients(NamedTuple):
    """A row a node, by what `States` names; dgi (N, 3C): by the GRU's input to its gates."""

    dx: Array
    dp: Array
    dh: Array
    dgi: Array
    dm: Array


@dataclass(frozen=True, slots=True)
class _Backend:
    """Functions of two arrays that write into `out`, and what makes arrays. product: of contiguous arrays;
    matmul: of any.
    """

    empty: Callable[..., Array]
    zeros: Callable[..., Array]
    ones: Callable[..., Array]
    add: Callable[..., Array]
    subtract: Callable[..., Array]
    multiply: Callable[..., Array]
    maximum: Callable[..., Array]
    tanh: Callable[..., Array]
    product: Callable[..., Array]
    matmul: Callable[..., Array]


def _backend_of(example: Array) -> _Backend:
    """Levels are narrow, so a pass is thousands of tiny operations: numpy's call overhead is a fraction of
    torch's, and `dot`'s of `matmul`'s."""
    if isinstance(example, np.ndarray):
        return _Backend(
            empty=lambda *shape: np.empty(shape, example.dtype),
            zeros=lambda *shape: np.zeros(shape, example.dtype),
            ones=lambda *shape: np.ones(shape, example.dtype),
            add=np.add,
            subtract=np.subtract,
            multiply=np.multiply,
            maximum=np.maximum,
            tanh=np.tanh,
            product=np.dot,
            matmul=np.matmul,
        )
    return _Backend(
        empty=example.new_empty,
        zeros=example.new_zeros,
        ones=example.new_ones,
        add=torch.add,
        subtract=torch.subtract,
        multiply=torch.multiply,
        maximum=torch.maximum,
        tanh=torch.tanh,
        product=_product,
        matmul=_product,
    )


def _product(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    # torch resizes an `out` that is a vector.
    return out.copy_(left @ right)


@single_blas_thread_in
def forward(h0: Array, gh: Array, weights: Weights, edges: Messages, values: Array, reverse: bool) -> States:
    """h0 (N, C): states before the pass. gh (N, 3C): what they add to the gates. In gh, w_i and b_i the gates
    r and z are halved. values: `edges.behind` if reverse, else `edges.before`.
    """
    levels = edges.blocks_behind(values) if reverse else edges.blocks_before(values)
    xp = _backend_of(h0)
    add, multiply, tanh, product, matmul = xp.add, xp.multiply, xp.tanh, xp.product, xp.matmul
    maximum = xp.maximum
    num_nodes, width = h0.shape
    kinds = edges.kinds
    w_i, b_i, w_1, b_1, w_2, b_2 = weights
    gh_rz, gh_n = gh[:, : 2 * width], gh[:, 2 * width :]
    # Everything that the gradient needs again, one row a node. Steps write right into it: an array for
    # each result, and a copy, would take longer than most of the results.
    m, h = xp.zeros(num_nodes, width), xp.empty(num_nodes, width)
    rz, n = xp.empty(num_nodes, 2 * width), xp.empty(num_nodes, width)
    p, x = xp.empty(num_nodes, w_1.shape[1]), xp.empty(num_nodes, kinds * width)
    r, z, x_direct, x_virtual = rz[:, :width], rz[:, width:], x[:, :width], x[:, width:]
    # numpy adds arrays of one shape three times as fast as it repeats one to fit: constants come in every
    # height of a level. Most levels are one node, and its row is a vector, which is faster again.
    start_L, stop_L = edges.table[:, 0], edges.table[:, 1]
    heights = set((stop_L - start_L).tolist())
    constants = {
        height: [gi, gi[..., : 2 * width], gi[..., 2 * width :], xp.empty(*shape, width)]
        + [xp.zeros(*shape, len(value)) + value for value in (b_i, b_1, b_2)]
        + [xp.zeros(*shape, value.shape[1]) for value in (p, x)]
        + [xp.ones(*shape, 2 * width), xp.ones(*shape, 2 * width) / 2]
        for height in heights
        for shape in [(height,) if height > 1 else ()]
        for gi in [xp.empty(*shape, 3 * width)]
    }
    for (start, stop, first, last, *_), block in levels:
        height = stop - start
        level = slice(start, stop) if height > 1 else start
        # Rows that this pass has filled, on one side of the level.
        done = slice(stop, last) if reverse else slice(first, start)
        gi_L, gi_rz, gi_n, far_L, b_i_L, b_1_L, b_2_L, zero_p, zero_x, one, half = constants[height]
        if done.stop > done.start:
            m_L = m[level]
            matmul(block[0], x_direct[done], out=m_L)
            if kinds == 2:
                matmul(block[1], x_virtual[done], out=far_L)
                add(m_L, far_L, out=m_L)
            product(m_L, w_i, out=gi_L)
            add(gi_L, b_i_L, out=gi_L)
        else:
            gi_L[:] = b_i_L
        rz_L, n_L, h_L, p_L, x_L = rz[level], n[level], h[level], p[level], x[level]
        # sigmoid(x) = (tanh(x / 2) + 1) / 2: one call, and it cannot overflow.
        add(gi_rz, gh_rz[level], out=rz_L)
        tanh(rz_L, out=rz_L)
        add(rz_L, one, out=rz_L)
        multiply(rz_L, half, out=rz_L)
        multiply(r[level], gh_n[level], out=n_L)
        add(n_L, gi_n, out=n_L)
        tanh(n_L, out=n_L)
        # h = n + z (h0 - n)
        xp.subtract(h0[level], n_L, out=h_L)
        multiply(h_L, z[level], out=h_L)
        add(h_L, n_L, out=h_L)
        product(h_L, w_1, out=p_L)
        add(p_L, b_1_L, out=p_L)
        maximum(p_L, zero_p, out=p_L)
        product(p_L, w_2, out=x_L)
        add(x_L, b_2_L, out=x_L)
        maximum(x_L, zero_x, out=x_L)
    return States(m, rz, n, h, p, x)


def backward(
    gradient: Array,
    states: States,
    derivatives: Derivatives,
    weights: Weights,
    edges: Messages,
    values: Array,
    reverse: bool,
) -> Gradients:
    """gradient (N, C): by the new states. Matrices of `weights` are (outputs, inputs) here, and no gate is
    halved. values: `edges.before` if reverse, else `edges.behind`: who reads a level's messages.
    """
    levels = edges.blocks_before(values) if reverse else edges.blocks_behind(values)
    xp, kinds = _backend_of(gradient), edges.kinds
    num_nodes, width = gradient.shape
    dn_dh, dz_dh, dr_dn = derivatives
    dx, dp = xp.zeros(num_nodes, kinds * width), xp.empty(num_nodes, states.p.shape[1])
    dm, dh, dgi = xp.empty(num_nodes, width), xp.empty(num_nodes, width), xp.empty(num_nodes, 3 * width)
    x_on, p_on = states.x > 0, states.p > 0
    for (start, stop, first, last, *_), block in levels:
        level = slice(start, stop)
        dx_L = dx[level]
        # Rows that this pass has filled: those that read this level's messages.
        readers = slice(first, start) if reverse else slice(stop, last)
        if readers.stop > readers.start:
            for kind in range(kinds):
                dx_L[:, kind * width : (kind + 1) * width] = block[kind] @ dm[readers]
            dx_L *= x_on[level]
        dp_L = (dx_L @ weights.w_2) * p_on[level]
        dp[level] = dp_L
        dh_L = gradient[level] + dp_L @ weights.w_1
        dh[level] = dh_L
        dn_L = dh_L * dn_dh[level]
        dgi[level, :width] = dn_L * dr_dn[level]
        dgi[level, width : 2 * width] = dh_L * dz_dh[level]
        dgi[level, 2 * width :] = dn_L
        dm[level] = dgi[level] @ weights.w_i
    return Gradients(dx, dp, dh, dgi, dm)
