"""Softmax, and norms without parameters."""

from __future__ import annotations

from service.graph_io.onnx.exact.rules import Attributes, Exact, Rule, Site


def softmax(log: bool) -> Rule:
    def rule(site: Site) -> Exact | None:
        axis = int(site.op.attrs.get("axis", -1 if site.opset >= 13 else 1))
        if site.opset < 13 and axis != -1 and axis != site.rank - 1:
            # There, all axes from this one on are one.
            return None
        attrs: Attributes = {"axis": axis}
        return "softmax", attrs | ({"log": True} if log else {})

    return rule


def unit_length(site: Site) -> Exact:
    order, axis = site.op.attrs.get("p", 2), int(site.op.attrs.get("axis", -1))
    return "unary", {"kind": "normalize", "p": float(order), "dim": axis}


def local_response(site: Site) -> Exact:
    return "unary", {
        "kind": "local_response_norm",
        "size": int(site.op.attrs["size"]),
        "alpha": site.number("alpha", 1e-4),
        "beta": site.number("beta", 0.75),
        "k": site.number("bias", 1.0),
    }
