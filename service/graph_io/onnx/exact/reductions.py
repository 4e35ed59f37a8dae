"""Reductions over axes, and sums along one."""

from __future__ import annotations

from service.graph_io.onnx.exact.rules import Attributes, Exact, Rule, Site
from service.graph_io.onnx.shapes import reduced_axes

_NAMES = {
    "ReduceMean": "mean",
    "ReduceSum": "sum",
    "ReduceMax": "amax",
    "ReduceMin": "amin",
    "ReduceLogSumExp": "logsumexp",
}


def _axes(site: Site) -> tuple[int, ...]:
    """Raises LookupError where they are not known, or where no axis means none."""
    axes = reduced_axes(site.op, site.values)
    if axes is None or (not axes and site.op.attrs.get("noop_with_empty_axes", 0)):
        raise LookupError("axes")
    return axes or tuple(range(site.rank))


def _reduce(site: Site) -> Exact:
    keep = bool(site.op.attrs.get("keepdims", 1))
    return "unary", {"kind": _NAMES[site.op.type], "axes": _axes(site), "keepdims": keep}


def _norm(order: float) -> Rule:
    def rule(site: Site) -> Exact:
        keep = bool(site.op.attrs.get("keepdims", 1))
        return "unary", {"kind": "norm", "p": order, "dim": _axes(site), "keepdim": keep}

    return rule


def _product(site: Site) -> Exact | None:
    axes = _axes(site)
    if len(axes) != 1:
        return None
    return "unary", {"kind": "prod", "dim": axes[0], "keepdim": bool(site.op.attrs.get("keepdims", 1))}


def _place(kind: str) -> Rule:
    def rule(site: Site) -> Exact | None:
        if site.op.attrs.get("select_last_index", 0):
            return None
        attrs: Attributes = {"kind": kind, "dim": int(site.op.attrs.get("axis", 0))}
        return "unary", attrs | {"keepdim": bool(site.op.attrs.get("keepdims", 1))}

    return rule


def _running_sum(site: Site) -> Exact | None:
    axis = site.value(1).scalar()
    if axis is None or site.op.attrs.get("exclusive", 0) or site.op.attrs.get("reverse", 0):
        return None
    return "unary", {"kind": "cumsum", "dim": int(axis)}


def _largest(site: Site) -> Exact | None:
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


RULES: dict[str, Rule] = {
    **dict.fromkeys(_NAMES, _reduce),
    "ReduceL1": _norm(1.0),
    "ReduceL2": _norm(2.0),
    "ReduceProd": _product,
    "ArgMax": _place("argmax"),
    "ArgMin": _place("argmin"),
    "CumSum": _running_sum,
    "TopK": _largest,
}
