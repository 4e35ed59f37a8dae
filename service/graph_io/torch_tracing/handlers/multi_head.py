"""nn.MultiheadAttention: projections in, attention of the heads, projection out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import Tensor

from service.graph_io.archgraph import AttrValue
from service.graph_io.torch_tracing.calls import approximate, batched
from service.graph_io.torch_tracing.recorder import Recorder, handles

_CONSTANT = approximate("a weight or a mask of the attention is a constant tensor")


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
    """Tokens are (length, batch, width)."""
    if query.shape[-1] != embed_dim_to_check:
        raise RuntimeError(
            f"attention over {embed_dim_to_check} features was given the shape {list(query.shape)}"
        )
    steps = _Steps(recorder, int(num_heads), int(query.shape[-1]))
    if use_separate_proj_weight:
        weights = q_proj_weight, k_proj_weight, v_proj_weight
        projected = steps.separate((query, key, value), weights, in_proj_bias)
    else:
        projected = steps.joined((query, key, value), in_proj_weight, in_proj_bias)
    sources = [steps.heads_apart(made) for made in projected]
    extras = recorder.sources([bias_k, bias_v, attn_mask, key_padding_mask])
    attrs: dict[str, AttrValue] = {"heads": steps.heads, "layout": "heads"}
    if add_zero_attn:
        attrs["zero_attention"] = True
    masked = attn_mask is not None or key_padding_mask is not None
    if masked or extras or static_k is not None or static_v is not None:
        attrs |= _CONSTANT
    if query.dim() != 3:
        attrs |= approximate("its input has no batch axis")
    shape = recorder.steps[sources[0]].shape
    attended = recorder.add("attention", (*sources, *extras), shape=shape, attrs=attrs)
    tokens = steps.linear(steps.side_by_side(attended), out_proj_weight, out_proj_bias, steps.width)
    shape = tuple(query.shape)
    out = recorder.make("reshape", (tokens,), shape, query.dtype, attrs=batched(shape, recorder.batch))
    if not need_weights:
        return out, None
    return out, _attention_weights(recorder, attended, query, key, steps.heads, average_attn_weights)


@dataclass(frozen=True, slots=True)
class _Steps:
    """The steps around the attention. width: of a token."""

    recorder: Recorder
    heads: int
    width: int

    def linear(
        self,
        source: int | None,
        weight: Tensor | None,
        bias: Tensor | None,
        width: int,
        tokens: tuple[int, ...] | None = None,
    ) -> int:
        """A projection to `width`. tokens: the shape in front of it; that of the source where None."""
        recorder = self.recorder
        pairs = (("weight", recorder.step_of(weight)), ("bias", recorder.step_of(bias)))
        weights = tuple((role, step) for role, step in pairs if step is not None)
        is_fixed = source is None or len(weights) < 1 + (bias is not None)
        if tokens is None:
            assert source is not None
            tokens = recorder.steps[source].shape[:-1]
        return recorder.add(
            "linear",
            () if source is None else (source,),
            shape=(*tokens, width),
            weights=weights,
            attrs=dict(_CONSTANT) if is_fixed else None,
        )

    def separate(
        self, inputs: tuple[Tensor, ...], weights: tuple[Tensor | None, ...], bias: Tensor | None
    ) -> Iterator[int]:
        """Queries, keys and values, each by a weight of its own."""
        for tensor, weight in zip(inputs, weights, strict=True):
            source, tokens = self.recorder.step_of(tensor), tuple(tensor.shape[:-1])
            made = self.linear(source, weight, bias, self.width, tokens)
            if bias is not None:
                self.recorder.steps[made].attrs |= approximate("its separate projections share one bias")
            yield made

    def joined(self, inputs: tuple[Tensor, ...], weight: Tensor | None, bias: Tensor | None) -> Iterator[int]:
        """Queries, keys and values, each a third of what one weight makes: once if all are of one tensor."""
        recorder = self.recorder
        sources = [recorder.step_of(tensor) for tensor in inputs]
        whole: int | None = None
        for part, (source, tensor) in enumerate(zip(sources, inputs, strict=True)):
            tokens = tuple(tensor.shape[:-1])
            if whole is None or len(set(sources)) > 1:
                whole = self.linear(source, weight, bias, 3 * self.width, tokens)
            third: dict[str, AttrValue] = {
                "axes": (len(tokens),),
                "starts": (part * self.width,),
                "ends": ((part + 1) * self.width,),
            }
            yield recorder.add("slice", (whole,), shape=(*tokens, self.width), attrs=third)

    def heads_apart(self, step: int) -> int:
        """From tokens to (batch, heads, length, width of a head)."""
        recorder = self.recorder
        *tokens, width = recorder.steps[step].shape
        apart = (*tokens, self.heads, width // self.heads)
        step = recorder.add("reshape", (step,), shape=apart, attrs=batched(apart, recorder.batch))
        return self._permuted(step, (*range(1, len(apart) - 1), 0, len(apart) - 1))

    def side_by_side(self, step: int) -> int:
        """From the heads' results to (tokens, width), as torch has them for the projection."""
        recorder = self.recorder
        rank = len(recorder.steps[step].shape)
        step = self._permuted(step, (rank - 2, *range(rank - 2), rank - 1))
        moved = recorder.steps[step].shape
        shape = (prod(moved) // self.width, self.width)
        return recorder.add("reshape", (step,), shape=shape, attrs=batched(shape, recorder.batch))

    def _permuted(self, step: int, axes: tuple[int, ...]) -> int:
        shape = self.recorder.steps[step].shape
        return self.recorder.add(
            "permute", (step,), shape=tuple(shape[axis] for axis in axes), attrs={"axes": axes}
        )


def _attention_weights(
    recorder: Recorder, attended: int, query: Tensor, key: Tensor, heads: int, average: bool
) -> Tensor:
    length, source_length = query.shape[0], key.shape[0]
    batch = tuple(query.shape[1:-1])
    shape = (*batch, length, source_length) if average else (*batch, heads, length, source_length)
    return recorder.make("unary", (attended,), shape, query.dtype, attrs={"kind": "attention_weights"})
