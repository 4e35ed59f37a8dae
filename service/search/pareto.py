"""What no other surpasses."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[tuple[float, ...]]) -> list[int]:
    """Places of the points that no other point dominates: at least as good in everything and better in
    something, where more is better. Of equal points all are kept. One or two objectives.
    """
    order = sorted(range(len(points)), key=lambda place: points[place], reverse=True)
    kept: list[int] = []
    best = float("-inf")
    for place in order:
        # Whatever came before is at least as good in the first objective.
        last = points[place][-1]
        if last > best or (kept and points[place] == points[kept[-1]]):
            kept.append(place)
            best = max(best, last)
    return sorted(kept)
