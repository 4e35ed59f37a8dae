"""ONNX operators without weights whose every word is said by a node of ours, so that it can be run.

Each rule looks at one operation and returns the operator and attributes that compute the same, or None: what
no rule covers is read all the same, and marked as a node that cannot be run.
"""

from __future__ import annotations

from service.graph_io.onnx.exact import (
    activations,
    arithmetic,
    moving,
    normalising,
    pooling,
    reductions,
    resizing,
    views,
)
from service.graph_io.onnx.exact.rules import Exact, Rule, Site

_RULES: dict[str, Rule] = {
    **activations.RULES,
    **arithmetic.RULES,
    **moving.RULES,
    **normalising.RULES,
    **pooling.RULES,
    **reductions.RULES,
    **resizing.RULES,
    **views.RULES,
}


def translation(site: Site) -> Exact | None:
    """What computes the same as the operation, None where nobody knows."""
    rule = _RULES.get(site.op.type)
    if rule is None or site.op.domain:
        return None
    try:
        return rule(site)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        # An ill-formed operation computes nothing that could be run.
        return None
