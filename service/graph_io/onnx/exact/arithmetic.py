"""Functions of single numbers, of one tensor or two."""

from __future__ import annotations

import math

from service.graph_io.onnx.draft import Shape
from service.graph_io.onnx.exact.rules import Exact, Rule, Site, rounded
from service.graph_io.onnx.leaves import is_plain_number
from service.graph_io.onnx.values import Value


def unary(kind: str) -> Rule:
    return lambda site: ("unary", {"kind": kind})


def binary(kind: str, together: str = "") -> Rule:
    """together: our operator of any number of tensors that the network computes; else they are two."""

    def rule(site: Site) -> Exact | None:
        if site.op.attrs.get("broadcast"):  # before version 7 broadcasting was said by an attribute
            return None
        computed = [value for value in site.values if value.draft is not None]
        if len(computed) == len(site.values):
            if together:
                return together, {}
            return ("merge", {"kind": kind}) if len(computed) == 2 else None
        if len(site.values) != 2 or len(computed) != 1:
            return None
        number = _number(next(value for value in site.values if value.fixed), computed[0].shape)
        if number is None or (isinstance(number, int) and kind == "div"):
            # Whole numbers are divided without a rest.
            return None
        before = {"reversed": True} if site.values[0].fixed else {}
        return "unary", {"kind": kind, "value": number, **before}

    return rule


def modulo(site: Site) -> Exact | None:
    return binary("fmod")(site) if site.op.attrs.get("fmod", 0) else None


def _number(value: Value, beside: Shape) -> int | float | None:
    """The one number of a constant that adds no axis to what is beside it, and repeats none."""
    if not value.exact and not all(is_plain_number(leaf) for leaf in value.leaves):
        # Computed from something learned.
        return None
    const = value.const
    if const is None or const.size == 0 or const.dtype.kind not in "fiu" or (const != const.flat[0]).any():
        return None
    if const.size > 1 or const.ndim > 1:
        if beside is None or const.ndim > len(beside):
            return None
        there = beside[len(beside) - const.ndim :]
        if any(size not in (1, dim) for size, dim in zip(const.shape, there, strict=True)):
            return None
    number = const.flat[0].item()
    if not math.isfinite(number):
        return None
    return rounded(number) if isinstance(number, float) else int(number)


def total(site: Site) -> Exact | None:
    return ("add", {}) if all(value.draft is not None for value in site.values) else None


def where(site: Site) -> Exact | None:
    condition, chosen, other = site.values
    if condition.draft is None or other.draft is None:
        return None
    if chosen.draft is not None:
        return "merge", {"kind": "where"}
    number = _number(chosen, other.shape)
    if number is None or other.shape is None or condition.shape is None:
        return None
    # Filling keeps the shape of what is filled.
    grows = len(condition.shape) > len(other.shape) or any(
        mask != 1 and mask != size
        for mask, size in zip(reversed(condition.shape), reversed(other.shape), strict=False)
    )
    return None if grows else ("merge", {"kind": "masked_fill", "value": number})


def order(site: Site) -> list[Value]:
    """The inputs in the order in which our operator reads them."""
    if site.op.type == "Where" and len(site.values) == 3 and site.values[1].fixed:
        return [site.values[2], site.values[0]]
    return site.values
