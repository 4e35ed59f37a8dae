"""What is known of properties by their names: which way is better."""

from __future__ import annotations

from service.contract.many import Order

LESS_IS_BETTER = frozenset({"latency", "convergence", "loss", "error"})


def best_first(name: str) -> Order:
    """The order that puts the best first; of an unknown property the largest."""
    return "ascending" if name in LESS_IS_BETTER else "descending"
