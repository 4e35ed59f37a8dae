"""The gated graph neural network of GHN-1 and GHN-2 (GHN-2 paper, equations 3 and 4).

At node v, with neighbours in the direction of the pass:
    m_v = sum_direct MLP(h_u) + sum_virtual MLP_ve(h_u) / s_uv,    h_v = GRU(m_v, h_v)

A neighbour has always been updated before v. So a node's messages are computed once a pass, not once an
edge, and nodes of one level are updated together; both are exact.

Shape legend: N nodes, L nodes of one level, C node state width, M width inside the message MLPs, K = 1 or 2
kinds of messages
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from service.ghn.batch import GraphBatch
from service.ghn.config import GHNConfig
from service.ghn.messages import Messages
from service.ghn.threads import single_blas_thread_in

# numpy arrays on the CPU, tensors elsewhere: the pass below is written once for both.
Array = Any


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


class _DirectedPass(torch.autograd.Function):
    """One pass over all levels, forwards or backwards, with its gradient written out.

    Inputs: h_NC, gh_N3 (= h W_hh + b_hh, the part of the GRU that needs no message), the GRU's input
    weights, the joined message MLPs (first layers stacked, second layers block-diagonal), the messages.
    """

    @staticmethod
    @single_blas_thread_in
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
        unpack = _to_array
        h0, gh, wi, bi = unpack(h_NC), unpack(gh_N3), unpack(w_ih), unpack(b_ih)
        a1, c1, a2, c2 = unpack(w1), unpack(b1), unpack(w2), unpack(b2)
        before, behind = unpack(edges.before), unpack(edges.behind)
        levels = edges.blocks_behind(behind) if reverse else edges.blocks_before(before)
        xp = _backend_of(h0)
        add, multiply, tanh, product, matmul = xp.add, xp.multiply, xp.tanh, xp.product, xp.matmul
        maximum = xp.maximum
        num_nodes, width = h0.shape
        kinds = edges.kinds
        # sigmoid(x) = (tanh(x / 2) + 1) / 2: one call, and it cannot overflow. Halves are exact, so they are
        # taken once, from what x is the sum of.
        scale = xp.ones(3 * width)
        scale[: 2 * width] = 0.5
        wi_t, bi_half, gh_half = (wi * scale[:, None]).T, bi * scale, gh * scale
        gh_rz, gh_n = gh_half[:, : 2 * width], gh_half[:, 2 * width :]
        a1_t, a2_t = a1.T, a2.T
        # Everything that the gradient needs again, one row a node. Steps write right into it: an array for
        # each result, and a copy, would take longer than most of the results.
        m, h = xp.zeros(num_nodes, width), xp.empty(num_nodes, width)
        rz, n = xp.empty(num_nodes, 2 * width), xp.empty(num_nodes, width)
        p, x = xp.empty(num_nodes, a1.shape[0]), xp.empty(num_nodes, kinds * width)
        r, z, x_direct, x_virtual = rz[:, :width], rz[:, width:], x[:, :width], x[:, width:]
        # numpy adds arrays of one shape three times as fast as it repeats one to fit: constants come in every
        # height of a level. Most levels are one node, and its row is a vector, which is faster again.
        heights = {level.stop - level.start for level in edges.levels}
        constants = {
            height: [gi, gi[..., : 2 * width], gi[..., 2 * width :], xp.empty(*shape, width)]
            + [xp.zeros(*shape, len(value)) + value for value in (bi_half, c1, c2)]
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
            gi_L, gi_rz, gi_n, far_L, bi_L, c1_L, c2_L, zero_p, zero_x, one, half = constants[height]
            if done.stop > done.start:
                m_L = m[level]
                matmul(block[0], x_direct[done], out=m_L)
                if kinds == 2:
                    matmul(block[1], x_virtual[done], out=far_L)
                    add(m_L, far_L, out=m_L)
                product(m_L, wi_t, out=gi_L)
                add(gi_L, bi_L, out=gi_L)
            else:
                gi_L[:] = bi_L
            rz_L, n_L, h_L, p_L, x_L = rz[level], n[level], h[level], p[level], x[level]
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
            product(h_L, a1_t, out=p_L)
            add(p_L, c1_L, out=p_L)
            maximum(p_L, zero_p, out=p_L)
            product(p_L, a2_t, out=x_L)
            add(x_L, c2_L, out=x_L)
            maximum(x_L, zero_x, out=x_L)
        ctx.saved = (h0, gh, wi, a1, a2, m, rz, n, h, p, x, edges, reverse)
        return _to_tensor(h, h_NC)

    @staticmethod
    @single_blas_thread_in
    def backward(ctx: Any, grad_NC: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        h0, gh, wi, a1, a2, m, rz, n, h, p, x, edges, reverse = ctx.saved
        before, behind = _to_array(edges.before), _to_array(edges.behind)
        levels = edges.blocks_before(before) if reverse else edges.blocks_behind(behind)
        kinds = edges.kinds
        grad = _to_array(grad_NC.contiguous())
        xp = _backend_of(h0)
        num_nodes, width = h0.shape
        r, z = rz[:, :width], rz[:, width:]
        gh_n = gh[:, 2 * width :]
        # Derivatives of the gates, for all nodes at once.
        dn_dh = (1 - z) * (1 - n * n)
        dz_dh = (h0 - n) * z * (1 - z)
        dr_dn = gh_n * r * (1 - r)
        dx, dp = xp.zeros(num_nodes, x.shape[1]), xp.empty(num_nodes, p.shape[1])
        dm, dh, dgi = xp.empty(num_nodes, width), xp.empty(num_nodes, width), xp.empty(num_nodes, 3 * width)
        x_on, p_on = x > 0, p > 0
        for (start, stop, first, last, *_), block in levels:
            level = slice(start, stop)
            dx_L = dx[level]
            # Rows that this pass has filled: those that read this level's messages.
            readers = slice(first, start) if reverse else slice(stop, last)
            if readers.stop > readers.start:
                for kind in range(kinds):
                    dx_L[:, kind * width : (kind + 1) * width] = block[kind] @ dm[readers]
                dx_L *= x_on[level]
            dp_L = (dx_L @ a2) * p_on[level]
            dp[level] = dp_L
            dh_L = grad[level] + dp_L @ a1
            dh[level] = dh_L
            dn_L = dh_L * dn_dh[level]
            dgi[level, :width] = dn_L * dr_dn[level]
            dgi[level, width : 2 * width] = dh_L * dz_dh[level]
            dgi[level, 2 * width :] = dn_L
            dm[level] = dgi[level] @ wi
        dgh = xp.empty(num_nodes, 3 * width)
        dgh[:, : 2 * width] = dgi[:, : 2 * width]
        dgh[:, 2 * width :] = dgi[:, 2 * width :] * r
        results = (dh * z, dgh, dgi.T @ m, dgi.sum(0), dp.T @ h, dp.sum(0), dx.T @ p, dx.sum(0))
        return (*(_to_tensor(value, grad_NC) for value in results), None, None)


def _to_array(tensor: Tensor) -> Array:
    detached = tensor.detach()
    return detached.numpy() if detached.device.type == "cpu" else detached


def _to_tensor(array: Array, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)) if like.device.type == "cpu" else array


class MessageMLP(nn.Module):
    """Linear, ReLU, Linear, ReLU. Its weights are read; it is never called itself."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, inner)
        self.second = nn.Linear(inner, width)


class GatedGNN(nn.Module):
    """`rounds` times a forward and a backward pass (or a synchronous step). Maps h_NC to h_NC."""

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.rounds, self.synchronous = config.rounds, config.propagation == "synchronous"
        self.directions = (False,) if config.propagation == "forward" else (False, True)
        # Two MLPs of half the width keep GHN-2 at the size of GHN-1 (paper section 4.2).
        inner = config.hidden // 2 if config.virtual_edges else config.hidden
        self.message = MessageMLP(config.hidden, inner)
        self.message_virtual = MessageMLP(config.hidden, inner) if config.virtual_edges else None
        self.gru = nn.GRUCell(config.hidden, config.hidden)

    def forward(self, h_NC: Tensor, batch: GraphBatch) -> Tensor:
        assert isinstance(batch.edges, Messages)  # GraphBatch.from_graphs of the same configuration
        return self.propagate(h_NC, batch.edges)

    def propagate(self, h_NC: Tensor, edges: Messages) -> Tensor:
        w1, b1, w2, b2 = self._joined_mlps()
        gru, edges = self.gru, edges.to(h_NC.dtype)
        for _ in range(self.rounds):
            if self.synchronous:
                h_NC = self._synchronous_step(h_NC, edges, w1, b1, w2, b2)
                continue
            for reverse in self.directions:
                gh_N3 = torch.nn.functional.linear(h_NC, gru.weight_hh, gru.bias_hh)
                h_NC = _DirectedPass.apply(
                    h_NC, gh_N3, gru.weight_ih, gru.bias_ih, w1, b1, w2, b2, edges, reverse
                )
        return h_NC

    def sums(self, h_NC: Tensor, sender_NC: Tensor) -> Tensor:
        """Node states after one message, from a sender each."""
        relu, mlp = torch.relu, self.message
        return self.gru(relu(mlp.second(relu(mlp.first(sender_NC)))), h_NC)  # type: ignore[no-any-return]

    def _joined_mlps(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Both message MLPs as one: a node's two messages come from one pair of products."""
        mlps = [self.message] if self.message_virtual is None else [self.message, self.message_virtual]
        return (
            torch.cat([mlp.first.weight for mlp in mlps]),
            torch.cat([mlp.first.bias for mlp in mlps]),
            torch.block_diag(*(mlp.second.weight for mlp in mlps)),  # type: ignore[no-untyped-call]
            torch.cat([mlp.second.bias for mlp in mlps]),
        )

    def _synchronous_step(
        self, h_NC: Tensor, edges: Messages, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor
    ) -> Tensor:
        """All nodes at once, from the neighbours of both directions (GHN-1 paper, section 3)."""
        linear, relu = torch.nn.functional.linear, torch.relu
        x_NK = relu(linear(relu(linear(h_NC, w1, b1)), w2, b2))
        width = h_NC.shape[1]
        m_NC = torch.zeros_like(h_NC)
        for kind in range(edges.kinds):
            matrix = edges.matrix(kind)
            m_NC = m_NC + (matrix + matrix.T) @ x_NK[:, kind * width : (kind + 1) * width]
        return self.gru(m_NC, h_NC)  # type: ignore[no-any-return]


class NodeMLP(nn.Module):
    """The baseline without a graph: every node alone (GHN-2 paper, section 5)."""

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.first = nn.Linear(config.hidden, config.hidden)
        self.second = nn.Linear(config.hidden, config.hidden)

    def forward(self, h_NC: Tensor, batch: GraphBatch) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(h_NC))))
