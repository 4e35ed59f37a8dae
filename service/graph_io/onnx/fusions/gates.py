"""Squeeze and excite: features times a gate a channel, computed from the features' global mean."""

from __future__ import annotations

from service.graph_io.onnx.draft import Draft
from service.graph_io.onnx.fusions.regions import activation_name, is_scaling

_SQUASHING = frozenset({"sigmoid", "hardsigmoid", "relu6", "clip01"})
_PLACING = frozenset({"reshape", "permute", "flatten"})
_POOLS = frozenset({"global_avg_pool", "global_max_pool"})
# What a gate may be computed with; it never looks at single positions again.
_GATE_OPS = frozenset(
    "linear conv bias activation unary reshape permute flatten batch_norm layer_norm group_norm add "
    "layer_scale mul softmax concat slice split parameter pad".split()
)


def fuse_gates(drafts: list[Draft], outputs: list[Draft]) -> list[Draft]:
    for draft in drafts:
        if draft.op != "mul" or len(draft.inputs) != 2 or draft.inputs[0] is draft.inputs[1]:
            continue
        for features, gate in (draft.inputs, draft.inputs[::-1]):
            if _is_gate(gate) and not _is_gate(features):
                draft.op, draft.inputs = "channel_gate", [features, gate]
                # A gate of two axes is meant for every position of an image.
                draft.exact = draft.exact and len(gate.shape or ()) > 2
                break
    return drafts


def _is_gate(draft: Draft) -> bool:
    squashed = _squashed(draft)
    return squashed is not None and _from_global_mean(squashed)


def _squashed(draft: Draft) -> Draft | None:
    """Back over reshapes and scalings to the function that keeps the gate between 0 and 1."""
    for _ in range(8):
        if draft.op == "activation":
            return draft if activation_name(draft) in _SQUASHING else None
        if draft.op == "softmax":
            # Between several branches, as selective kernels and split attention do.
            return draft
        if (
            draft.op not in _PLACING
            and not is_scaling(draft)
            and not (draft.op == "unary" and draft.kind == "Expand")
        ):
            return None
        if len(draft.inputs) != 1:
            return None
        draft = draft.inputs[0]
    return None


def _from_global_mean(draft: Draft, most: int = 32) -> bool:
    """Whether everything the draft is computed from has passed a global pooling."""
    stack, seen = [draft], set()
    pooled = False
    while stack:
        part = stack.pop()
        if part in seen:
            continue
        seen.add(part)
        if part.op in _POOLS or (part.op == "unary" and part.kind == "ReduceMean"):
            pooled = True
            continue
        if part.op not in _GATE_OPS or len(seen) > most:
            return False
        stack.extend(part.inputs)
    return pooled
