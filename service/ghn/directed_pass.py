"""One pass of the gated GNN over a graph, forwards or backwards, with its gradient (GHN-2 paper, equations 3
and 4).

At node v, with neighbours in the direction of the pass:
    m_v = sum_direct MLP(h_u) + sum_virtual MLP_ve(h_u) / s_uv,    h_v = GRU(m_v, h_v)

A neighbour has always been updated before v. So a node's messages are computed once a pass, not once an
edge, and nodes of one level are updated together; both are exact.

Shape legend: N nodes, C node state width
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from service.ghn import array_pass, compiled_pass
from service.ghn.array_pass import Array, Derivatives, Weights
from service.ghn.messages import Messages
from service.ghn.threads import single_blas_thread_in


class DirectedPass(torch.autograd.Function):
    """Inputs: h_NC, gh_N3 (= h W_hh + b_hh, the part of the GRU that needs no message), the GRU's input
    weights, the joined message MLPs (first layers stacked, second layers block-diagonal), the messages.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        h_NC: Tensor,
        gh_N3: Tensor,
        w_ih: Tensor,
        b_ih: Tensor,
        w1: Tensor,
        b1: Tensor,
        w2: Tensor,
        b2: Tensor,
        edges: Messages,
        reverse: bool,
    ) -> Tensor:
        h0, gh = _to_array(h_NC), _to_array(gh_N3)
        weights = Weights(*map(_to_array, (w_ih, b_ih, w1, b1, w2, b2)))
        # The gates r and z go through tanh(x / 2). Halves are exact, so they are taken once, from what x is
        # the sum of.
        half = h_NC.new_ones(3 * h_NC.shape[1])
        half[: 2 * h_NC.shape[1]] = 0.5
        scale = _to_array(half)
        applied = weights._replace(
            w_i=_transposed(weights.w_i * scale[:, None]),
            b_i=weights.b_i * scale,
            w_1=_transposed(weights.w_1),
            w_2=_transposed(weights.w_2),
        )
        values = _to_array(edges.behind if reverse else edges.before)
        states = _steps_for(h0, len(weights.b_1)).forward(h0, gh * scale, applied, edges, values, reverse)
        ctx.saved = (h0, gh, weights, states, edges, reverse)
        return _to_tensor(states.h, h_NC)

    @staticmethod
    @single_blas_thread_in
    def backward(ctx: Any, grad_NC: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        h0, gh, weights, states, edges, reverse = ctx.saved
        m, rz, n, h, p, _ = states
        width = h0.shape[1]
        r, z = rz[:, :width], rz[:, width:]
        derivatives = Derivatives(
            dn_dh=(1 - z) * (1 - n * n),
            dz_dh=(h0 - n) * z * (1 - z),
            dr_dn=gh[:, 2 * width :] * r * (1 - r),
        )
        values = _to_array(edges.before if reverse else edges.behind)
        gradient = _to_array(grad_NC.contiguous())
        dx, dp, dh, dgi, _ = _steps_for(h0, len(weights.b_1)).backward(
            gradient, states, derivatives, weights, edges, values, reverse
        )
        dgh = dgi.copy() if isinstance(dgi, np.ndarray) else dgi.clone()
        dgh[:, 2 * width :] *= r
        results = (dh * z, dgh, dgi.T @ m, dgi.sum(0), dp.T @ h, dp.sum(0), dx.T @ p, dx.sum(0))
        return (*(_to_tensor(value, grad_NC) for value in results), None, None)


def _steps_for(h0: Array, inner: int) -> ModuleType:
    return compiled_pass if compiled_pass.can_run(h0, inner) else array_pass


def _to_array(tensor: Tensor) -> Array:
    detached = tensor.detach()
    return detached.numpy() if detached.device.type == "cpu" else detached


def _to_tensor(array: Array, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)) if like.device.type == "cpu" else array


def _transposed(matrix: Array) -> Array:
    return np.ascontiguousarray(matrix.T) if isinstance(matrix, np.ndarray) else matrix.T.contiguous()
