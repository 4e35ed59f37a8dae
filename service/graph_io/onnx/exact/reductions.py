"""Reductions over axes, and sums along one."""

from __future__ import annotations

from service.graph_io.onnx.exact.rules import Attributes, Exact, Rule, Site
from service.graph_io.onnx.shapes import reduced_axes


def _axes(site: Site) -> tuple[int, ...]:
    """Raises LookupError where they are not known, or where no axis means none."""
    axes = reduced_axes(site.op, site.values)
    if axes is None or (not axes and site.op.attrs.get("noop_with_empty_axes", 0)):
        raise LookupError("axes")
    return axes or tuple(range(site.rank))


def reduce(kind: str) -> Rule:
    def rule(site: Site) -> Exact:
        keep = bool(site.op.attrs.get("keepdims", 1))
        return "unary", {"kind": kind, "axes": _axes(site), "keepdims": keep}

    return rule


def norm(order: float) -> Rule:
    def rule(site: Site) -> Exact:
        keep = bool(site.op.attrs.get("keepdims", 1))
        return "unary", {"kind": "norm", "p": order, "dim": _axes(site), "keepdim": keep}

    return rule


def product(site: Site) -> Exact | None:
    axes = _axes(site)
    if len(axes) != 1:
        return None
    return "unary", {"kind": "prod", "dim": axes[0], "keepdim": bool(site.op.attrs.get("keepdims", 1))}


def place(kind: str) -> Rule:
    def rule(site: Site) -> Exact | None:
        if site.op.attrs.get("select_last_index", 0):
            return None
        attrs: Attributes = {"kind": kind, "dim": int(site.op.attrs.get("axis", 0))}
        return "unary", attrs | {"keepdim": bool(site.op.attrs.get("keepdims", 1))}

    return rule


def running_sum(site: Site) -> Exact | None:
    axis = site.value(1).scalar()
    if axis is None or site.op.attrs.get("exclusive", 0) or site.op.attrs.get("reverse", 0):
        return None
    return "unary", {"kind": "cumsum", "dim": int(axis)}


def largest(site: Site) -> Exact | None:
    count = site.ints("k", 1)
    if count is None or len(count) != 1:
        return None
    return "unary", {
        "kind": "topk",
        "k": count[0],
        "dim": int(site.op.attrs.get("axis", -1)),
        "largest": bool(site.op.attrs.get("largest", 1)),
        "sorted": bool(site.op.attrs.get("sorted", 1)),
    }
