"""What joins several tensors: sums, products, attention, joins along an axis."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from service.executor.node_attributes import Attributes, Inputs, Params, Step, refusal, values_of
from service.graph_io.archgraph import Node


def attention(node: Node) -> Step:
    values = values_of(node)
    layout = values["layout"]
    if layout == "tokens" and len(node.inputs) in (1, 3) and not values["keys_transposed"]:
        return _attention_of_tokens(values)
    if layout == "heads" and len(node.inputs) >= 3:
        return _attention_of_heads(values)
    raise refusal(node, "its inputs are not queries, keys and values")


def _attention_of_tokens(values: Attributes) -> Step:
    heads = int(values["heads"])

    def run(inputs: Inputs, _: Params) -> Tensor:
        parts = inputs[0].chunk(3, dim=-1) if len(inputs) == 1 else inputs
        query, key, value = (x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in parts)
        mixed = _attend(query, key, value, None, values)
        return mixed.transpose(1, 2).flatten(2).to(inputs[0].dtype)

    return run


def _attention_of_heads(values: Attributes) -> Step:
    transposed = bool(values["keys_transposed"])

    def run(inputs: Inputs, _: Params) -> Tensor:
        query, key, value, *added = inputs
        mask = added[0] if added else None
        for table in added[1:]:
            mask = mask + table  # type: ignore[operator]
        key = key.transpose(-2, -1) if transposed else key
        return _attend(query, key, value, mask, values).to(inputs[0].dtype)

    return run


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, values: Attributes) -> Tensor:
    if values["zero_attention"]:
        key, value = F.pad(key, (0, 0, 0, 1)), F.pad(value, (0, 0, 0, 1))
    if query.device.type == "cpu":
        # The fused kernel spends most of its time on converting bfloat16.
        query, key, value = query.float(), key.float(), value.float()
        mask = mask if mask is None or mask.dtype == torch.bool else mask.float()
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=bool(values["causal"]), scale=values["scale"]
    )


def add(node: Node) -> Step:
    values_of(node)

    def run(inputs: Inputs, _: Params) -> Tensor:
        total = inputs[0] if len(inputs) == 1 else inputs[0] + inputs[1]
        for x in inputs[2:]:
            total = total + x
        return total

    return run


def mul(node: Node) -> Step:
    values_of(node)

    def run(inputs: Inputs, _: Params) -> Tensor:
        product = inputs[0]
        for x in inputs[1:]:
            product = product * x
        return product

    return run


def matmul(node: Node) -> Step:
    values = values_of(node)
    equation = values["equation"]
    if len(node.inputs) != 2 or (equation is None and values["kind"] is not None):
        raise refusal(node, "it is not a product of two tensors")
    if equation is not None:
        return lambda inputs, _: torch.einsum(equation, *inputs)
    return lambda inputs, _: inputs[0] @ inputs[1]


def channel_gate(node: Node) -> Step:
    values_of(node)

    def run(inputs: Inputs, _: Params) -> Tensor:
        features, gate = inputs
        return features * (gate[:, :, None, None] if gate.ndim == 2 else gate)

    return run


def concat(node: Node) -> Step:
    axis = int(values_of(node)["axis"])

    def run(inputs: Inputs, _: Params) -> Tensor:
        # A constant of zeros has its channels only, a learned token no batch: the others say where they go.
        like = next((x for x in inputs if x.ndim > 1 and len(x) > 1), None)
        if like is None:
            like = next((x for x in inputs if x.ndim > 1), inputs[0])
        return torch.cat([_beside(x, like, axis) for x in inputs], axis)

    return run


def _beside(x: Tensor, like: Tensor, axis: int) -> Tensor:
    if x.ndim == 1 and like.ndim > 1:
        return x.to(like).view(1, -1, 1, 1).expand(len(like), -1, *like.shape[2:])
    if axis != 0 and x.ndim == like.ndim and len(x) == 1 and len(like) > 1:
        return x.to(like.dtype).expand(len(like), *x.shape[1:])
    return x


def constant(node: Node) -> Step:
    values = values_of(node)
    if values["kind"] != "zeros":
        raise refusal(node, "it is a constant whose values are not in the graph")
    zeros = torch.zeros(int(values["channels"]))
    return lambda inputs, params: zeros
