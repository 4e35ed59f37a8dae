"""Activations that are a product of their input with a function of it: GELU, SiLU, hard swish, Mish."""

from __future__ import annotations

from service.graph_io.onnx.draft import Draft, readers_of
from service.graph_io.onnx.fusions.regions import is_scaling, only_reader, region

_ALLOWED = frozenset({"unary", "activation", "add", "mul", "merge"})
# Constants that follow the product: 0.5 of GELU, 1/6 of the hard swish.
_TAIL_FACTORS = {"gelu": (0.5,), "hardswish": (1 / 6, 6.0)}


def fuse_activations(drafts: list[Draft], outputs: list[Draft]) -> list[Draft]:
    """Turn x * f(x) into one activation."""
    readers = readers_of(drafts, outputs)
    for draft in drafts:
        if draft.op != "mul" or len(draft.inputs) != 2 or draft.inputs[0] is draft.inputs[1]:
            continue
        for factor, gate in (draft.inputs, draft.inputs[::-1]):
            found = _self_gated(factor, gate)
            if found is None:
                continue
            entry, kind = found
            tail = _with_tail_factor(draft, kind, readers)
            tail.become("activation", "Activation", [entry], [], {"kind": kind})
            break
    return drafts


def _self_gated(factor: Draft, gate: Draft) -> tuple[Draft, str] | None:
    entries = [factor]
    if is_scaling(factor):
        entries.append(factor.inputs[0])
    for entry in entries:
        inside = region(gate, entry, most=12)
        if inside and all(draft.op in _ALLOWED for draft in inside):
            kind = _kind(inside)
            if kind:
                return entry, kind
    return None


def _kind(inside: list[Draft]) -> str:
    kinds = {str(draft.attrs.get("kind", "")) if draft.op == "activation" else draft.kind for draft in inside}
    if "Erf" in kinds:
        return "gelu"
    if "tanh" in kinds:
        return "mish" if "softplus" in kinds or "Exp" in kinds else "gelu"
    if "sigmoid" in kinds:
        return "silu"
    if kinds & {"hardsigmoid", "relu6", "clip01"}:
        return "hardswish"
    return ""


def _with_tail_factor(draft: Draft, kind: str, readers: dict[Draft, list[Draft]]) -> Draft:
    reader = only_reader(readers, draft)
    if reader is None or not is_scaling(reader) or reader.scalar is None:
        return draft
    return (
        reader if any(abs(reader.scalar - factor) < 1e-3 for factor in _TAIL_FACTORS.get(kind, ())) else draft
    )
