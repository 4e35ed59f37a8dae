"""Activations with their arguments."""

from __future__ import annotations

import math

from service.graph_io.onnx.exact.rules import Attributes, Exact, Rule, Site, rounded

_SELU = (1.67326319217681884765625, 1.05070102214813232421875)


def plain(kind: str) -> Rule:
    return lambda site: ("activation", {"kind": kind})


def scaled(kind: str, ours: str, theirs: str, default: float) -> Rule:
    return lambda site: ("activation", {"kind": kind, ours: site.number(theirs, default)})


def selu(site: Site) -> Exact | None:
    alpha, gamma = site.number("alpha", _SELU[0]), site.number("gamma", _SELU[1])
    usual = math.isclose(alpha, _SELU[0], rel_tol=1e-5) and math.isclose(gamma, _SELU[1], rel_tol=1e-5)
    return ("activation", {"kind": "selu"}) if usual else None


def gelu(site: Site) -> Exact:
    attrs: Attributes = {"kind": "gelu"}
    return "activation", attrs | ({"tanh": True} if site.op.attrs.get("approximate") == "tanh" else {})


def hard_sigmoid(site: Site) -> Exact | None:
    usual = math.isclose(site.number("alpha", 0.2), 1 / 6, rel_tol=1e-4) and site.number("beta", 0.5) == 0.5
    return ("activation", {"kind": "hardsigmoid"}) if usual else None


def swish(site: Site) -> Exact | None:
    return ("activation", {"kind": "silu"}) if site.number("alpha", 1.0) == 1 else None


def threshold(site: Site) -> Exact:
    return "activation", {"kind": "threshold", "threshold": site.number("alpha", 1.0), "value": 0.0}


def shrink(site: Site) -> Exact | None:
    bias, edge = site.number("bias", 0.0), site.number("lambd", 0.5)
    if bias not in (0.0, edge):
        return None
    return "activation", {"kind": "softshrink" if bias else "hardshrink", "lambd": edge}


def clip(site: Site) -> Exact | None:
    low, high = (_limit(site, name, place) for place, name in ((1, "min"), (2, "max")))
    if low is not None and high is not None:
        if (low, high) == (0.0, 6.0):
            return "activation", {"kind": "relu6"}
        return "activation", {"kind": "hardtanh", "min_val": low, "max_val": high}
    if low is not None:
        return "unary", {"kind": "clamp_min", "min": low}
    if high is not None:
        return "unary", {"kind": "clamp_max", "max": high}
    return None


def _limit(site: Site, name: str, place: int) -> float | None:
    """Raises LookupError for a limit that is computed, or not stored."""
    number = site.op.attrs.get(name)
    if number is None and site.has(place):
        number = site.value(place).scalar()
        if number is None:
            raise LookupError(name)
    # Early versions have the largest numbers where there is no limit.
    return None if number is None or abs(number) > 3e38 else rounded(float(number))
