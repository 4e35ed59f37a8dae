"""Attention that torch computes in one call. What networks spell out themselves is found by
`torch_tracing/attention.py`.
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


@handles("multi_head_attention_forward")
def _multi_head(
    recorder: Recorder,
    func: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> Any:
    """nn.MultiheadAttention: projections in, attention, projection out. Tokens are (length, batch, width)."""
    if query.shape[-1] != embed_dim_to_check:
        raise RuntimeError(
            f"attention over {embed_dim_to_check} features was given the shape {list(query.shape)}"
        )
    heads, width = int(num_heads), int(query.shape[-1])
    projections = _in_projections(recorder, in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight)
    inputs = [recorder.step_of(tensor) for tensor in (query, key, value)]
    bias = recorder.step_of(in_proj_bias)

    separate = use_separate_proj_weight
    joined = not separate and inputs[0] == inputs[1] == inputs[2]
    constant = approximate("a weight or a mask of the attention is a constant tensor")

    def project(step: int | None, weight: int | None, shape: tuple[int, ...], part: int | None = None) -> int:
        """part: which third of a joint projection the shape is."""
        sources = () if step is None else (step,)
        weights = tuple((role, s) for role, s in (("weight", weight), ("bias", bias)) if s is not None)
        whole = shape if part is None else (*shape[:-1], 3 * width)
        fixed = weight is None or step is None or (in_proj_bias is not None and bias is None)
        attrs = constant if fixed else {}
        if separate and bias is not None:
            attrs = approximate("its separate projections share one bias")
        made = recorder.add("linear", sources, shape=whole, weights=weights, attrs=dict(attrs))
        if part is not None:
            last = len(shape) - 1
            third: dict[str, AttrValue] = {
                "axes": (last,),
                "starts": (part * width,),
                "ends": ((part + 1) * width,),
            }
            made = recorder.add("slice", (made,), shape=shape, attrs={**third, "steps": (1,)})
        return (
            recorder.add("permute", (made,), shape=shape, attrs={"axes": (1, 0, 2)})
            if len(shape) == 3
            else made
        )

    if joined:
        sources = [project(inputs[0], projections[0], (*query.shape[:-1], 3 * width))]
    else:
        sources = [
            project(step, weight, (*tensor.shape[:-1], width), None if separate else part)
            for part, (step, weight, tensor) in enumerate(
                zip(inputs, projections, (query, key, value), strict=True)
            )
        ]
    extras = recorder.sources([bias_k, bias_v, attn_mask, key_padding_mask])
    attrs: dict[str, AttrValue] = {"heads": heads, "batch_first": True}
    if add_zero_attn:
        attrs["zero_attention"] = True
    masked = attn_mask is not None or key_padding_mask is not None
    if masked or extras or static_k is not None or static_v is not None:
        attrs |= constant
    if query.dim() != 3:
        attrs |= approximate("its input has no batch axis")
    attended = recorder.add("attention", (*sources, *extras), shape=tuple(query.shape), attrs=attrs)
    if query.dim() == 3:
        attended = recorder.add("permute", (attended,), shape=tuple(query.shape), attrs={"axes": (1, 0, 2)})
    weights = tuple(
        (role, step)
        for role, step in (
            ("weight", recorder.step_of(out_proj_weight)),
            ("bias", recorder.step_of(out_proj_bias)),
        )
        if step is not None
    )
    fixed = recorder.step_of(out_proj_weight) is None or (
        out_proj_bias is not None and recorder.step_of(out_proj_bias) is None
    )
    out = recorder.make(
        "linear",
        (attended,),
        query.shape,
        query.dtype,
        weights=weights,
        attrs=dict(constant) if fixed else {},
    )
    return out, _attention_weights(
        recorder, attended, query, key, heads, average_attn_weights
    ) if need_weights else None


def _in_projections(recorder: Recorder, joined: Tensor | None, *separate: Tensor | None) -> list[int | None]:
    if joined is not None:
        return [recorder.step_of(joined)] * 3
    return [recorder.step_of(weight) for weight in separate]


def _attention_weights(
    recorder: Recorder, attended: int, query: Tensor, key: Tensor, heads: int, average: bool
) -> Tensor:
    length, source_length = query.shape[0], key.shape[0]
    batch = tuple(query.shape[1:-1])
    shape = (*batch, length, source_length) if average else (*batch, heads, length, source_length)
    return recorder.make("unary", (attended,), shape, query.dtype, attrs={"kind": "attention_weights"})
