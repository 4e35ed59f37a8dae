"""Attention that torch computes in one call. What networks spell out themselves is found by
`lifting/attention.py`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from service.graph_io.archgraph import AttrValue
from service.graph_io.torch_tracing.calls import approximate, batched
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
    """nn.MultiheadAttention: projections in, attention of the heads, projection out.

    Tokens are (length, batch, width).
    """
    if query.shape[-1] != embed_dim_to_check:
        raise RuntimeError(
            f"attention over {embed_dim_to_check} features was given the shape {list(query.shape)}"
        )
    heads, width = int(num_heads), int(query.shape[-1])
    projections = _in_projections(recorder, in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight)
    inputs = [recorder.step_of(tensor) for tensor in (query, key, value)]
    separate = use_separate_proj_weight
    joined = not separate and inputs[0] == inputs[1] == inputs[2]
    constant = approximate("a weight or a mask of the attention is a constant tensor")

    def linear(step: int | None, weight: int | None, bias: Tensor | None, shape: tuple[int, ...]) -> int:
        pairs = (("weight", weight), ("bias", recorder.step_of(bias)))
        weights = tuple((role, step) for role, step in pairs if step is not None)
        fixed = step is None or len(weights) < 1 + (bias is not None)
        sources = () if step is None else (step,)
        attrs = dict(constant) if fixed else None
        return recorder.add("linear", sources, shape=shape, weights=weights, attrs=attrs)

    def heads_apart(step: int, shape: tuple[int, ...]) -> int:
        """shape: of the tokens. The result is (batch, heads, length, width of a head)."""
        apart = (*shape[:-1], heads, shape[-1] // heads)
        axes = (*range(1, len(apart) - 1), 0, len(apart) - 1)
        step = recorder.add("reshape", (step,), shape=apart, attrs=batched(apart, recorder.batch))
        return recorder.add(
            "permute", (step,), shape=tuple(apart[axis] for axis in axes), attrs={"axes": axes}
        )

    sources = []
    whole = linear(inputs[0], projections[0], in_proj_bias, (*query.shape[:-1], 3 * width)) if joined else -1
    for part, (step, weight, tensor) in enumerate(zip(inputs, projections, (query, key, value), strict=True)):
        shape = (*tensor.shape[:-1], width)
        if separate:
            made = linear(step, weight, in_proj_bias, shape)
            if in_proj_bias is not None:
                recorder.steps[made].attrs |= approximate("its separate projections share one bias")
        else:
            made = whole if joined else linear(step, weight, in_proj_bias, (*shape[:-1], 3 * width))
            third: dict[str, AttrValue] = {
                "axes": (len(shape) - 1,),
                "starts": (part * width,),
                "ends": ((part + 1) * width,),
            }
            made = recorder.add("slice", (made,), shape=shape, attrs=third)
        sources.append(heads_apart(made, shape))
    extras = recorder.sources([bias_k, bias_v, attn_mask, key_padding_mask])
    attrs: dict[str, AttrValue] = {"heads": heads, "layout": "heads"}
    if add_zero_attn:
        attrs["zero_attention"] = True
    masked = attn_mask is not None or key_padding_mask is not None
    if masked or extras or static_k is not None or static_v is not None:
        attrs |= constant
    if query.dim() != 3:
        attrs |= approximate("its input has no batch axis")
    by_heads = recorder.steps[sources[0]].shape
    attended = recorder.add("attention", (*sources, *extras), shape=by_heads, attrs=attrs)
    # As torch does: all tokens side by side for the projection.
    axes = (len(by_heads) - 2, *range(len(by_heads) - 2), len(by_heads) - 1)
    moved = tuple(by_heads[axis] for axis in axes)
    mixed = recorder.add("permute", (attended,), shape=moved, attrs={"axes": axes})
    flat = (query.shape[:-1].numel(), width)
    mixed = recorder.add("reshape", (mixed,), shape=flat, attrs=batched(flat, recorder.batch))
    mixed = linear(mixed, recorder.step_of(out_proj_weight), out_proj_bias, flat)
    shape = tuple(query.shape)
    out = recorder.make("reshape", (mixed,), shape, query.dtype, attrs=batched(shape, recorder.batch))
    if not need_weights:
        return out, None
    return out, _attention_weights(recorder, attended, query, key, heads, average_attn_weights)


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
