"""What commands that can use a service share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.errors import ServiceError


class Refusal(Exception):
    """What a service said of one of several sources."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail", "")))
        self.problem = dict(problem)


def unreadable(documents: Sequence[Any]) -> tuple[list[int], list[Any], list[dict[str, Any]]]:
    """Places of what can be sent, that itself, and lines that were not JSON, as a ranking skips them."""
    places, readable, skipped = [], [], []
    for index, document in enumerate(documents):
        if isinstance(document, ServiceError):
            skipped.append(_skipped(index, document.detail, document.problem()))
        elif isinstance(document, Mapping):
            places.append(index)
            readable.append(document)
        else:
            reason = "An architecture is a JSON object."
            skipped.append(_skipped(index, reason, {"status": 422, "detail": reason}))
    return places, readable, skipped


def _skipped(index: int, reason: str, problem: Mapping[str, Any]) -> dict[str, Any]:
    return {"index": index, "name": None, "reason": reason, "problem": dict(problem)}
