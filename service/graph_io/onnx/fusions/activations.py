"""Activations that are a product of their input with a function of it: GELU, SiLU, hard swish, Mish."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from service.graph_io.archgraph import AttrValue
from service.graph_io.onnx.draft import Draft, readers_of
from service.graph_io.onnx.fusions.numbers import Array, computed, equal
from service.graph_io.onnx.fusions.regions import activation_name, is_scaling, only_reader, region

Attributes = dict[str, AttrValue]

_erf = np.vectorize(math.erf, otypes=[np.float64])
# By kind: attributes, and what the activation is with them.
_FUNCTIONS: dict[str, tuple[tuple[Attributes, Callable[[Array], Array]], ...]] = {
    "gelu": (
        ({}, lambda x: x * (1 + _erf(x / math.sqrt(2))) / 2),
        ({"tanh": True}, lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2),
    ),
    "silu": (({}, lambda x: x / (1 + np.exp(-x))),),
    "mish": (({}, lambda x: x * np.tanh(np.log1p(np.exp(x)))),),
    "hardswish": (({}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),),
}
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
            match = _self_gated(factor, gate)
            if match is None:
                continue
            entry, kind = match
            tail = _with_tail_factor(draft, kind, readers)
            attrs = _exactly(tail, entry, kind)
            tail.become(
                "activation", "Activation", [entry], [], attrs or {"kind": kind}, exact=attrs is not None
            )
            break
    return drafts


def _exactly(tail: Draft, entry: Draft, kind: str) -> Attributes | None:
    """The attributes with which the activation is what the group computes, None if it is not."""
    x = np.linspace(-8, 8, 101)
    result = computed(tail, entry, x)
    for attrs, function in _FUNCTIONS.get(kind, ()):
        if equal(result, function(x)):
            return {"kind": kind, **attrs}
    return None


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
    kinds = {activation_name(draft) if draft.op == "activation" else draft.kind for draft in inside}
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
