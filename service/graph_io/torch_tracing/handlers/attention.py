"""Attention that torch computes in one call, but for nn.MultiheadAttention (`multi_head.py`). What networks
spell out themselves is found by `lifting/attention.py`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from service.graph_io.archgraph import AttrValue
from service.graph_io.torch_tracing.calls import approximate
from service.graph_io.torch_tracing.recorder import Recorder, handles


@handles("scaled_dot_product_attention")
def _scaled_dot_product(
    recorder: Recorder,
    func: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    steps = [recorder.step_of(tensor) for tensor in (query, key, value)]
    if all(step is None for step in steps):
        return func(query, key, value, attn_mask, 0.0, is_causal, scale=scale, enable_gqa=enable_gqa)
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(
            f"attention was given the shapes {list(query.shape)}, {list(key.shape)}, {list(value.shape)}"
        )
    sources = [step for step in steps if step is not None]
    mask = recorder.step_of(attn_mask)
    if mask is not None:
        sources.append(mask)
    attrs: dict[str, AttrValue] = {"heads": int(query.shape[-3]) if query.dim() > 2 else 1, "layout": "heads"}
    if scale is not None:
        attrs["scale"] = float(scale)
    if is_causal:
        attrs["causal"] = True
    if None in steps or (attn_mask is not None and mask is None):
        attrs |= approximate("its mask, queries, keys or values are a constant tensor")
    if enable_gqa:
        attrs |= approximate("several heads share their keys")
    return recorder.make(
        "attention", tuple(sources), (*query.shape[:-1], value.shape[-1]), query.dtype, attrs=attrs
    )


@handles("flex_attention")
def _flex(recorder: Recorder, func: Any, query: Tensor, key: Tensor, value: Tensor, *args: Any) -> Any:
    """The operator inside flex_attention: functions of the caller change and mask the scores."""
    sources = tuple(recorder.sources([query, key, value, args]))
    if not sources:
        return recorder.other(func, query, key, value, *args)
    shape = (*query.shape[:-1], value.shape[-1])
    attrs: dict[str, AttrValue] = {"heads": int(query.shape[1]), "layout": "heads"}
    attrs |= approximate("functions of the module change its scores")
    out = recorder.make("attention", sources, shape, query.dtype, attrs=attrs)
    # The logarithms of the sums and the largest scores, one a query.
    return out, *(recorder.empty(query.shape[:-1], torch.float32) for _ in range(2))
