"""What commands that can use a service share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from service.errors import InvalidArchitecture, ServiceError

if TYPE_CHECKING:
    from service.cli.console import ReportProgress
    from service.client._results import Progress
    from service.contract.results import SkippedArchitecture


def steps(progress: ReportProgress) -> Callable[[Progress], None]:
    """What the client tells of a job, for a bar."""
    return lambda step: progress(step.done, step.total, step.message)


class Refusal(Exception):
    """What a service said of one of several sources."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail", "")))
        self.problem = dict(problem)


def unreadable(entries: Sequence[Any]) -> tuple[list[int], list[Any], list[SkippedArchitecture]]:
    """Places of the entries whose architecture can be sent, that itself, and the others as a ranking skips
    them.
    """
    # Imported late, for it loads pydantic, which help has no use for.
    from service.contract.results import SkippedArchitecture
    from service.graph_io.entries import read_entry

    places, readable, skipped = [], [], []
    for index, entry in enumerate(entries):
        try:
            document = read_entry(entry).document
            if not isinstance(document, Mapping):
                raise InvalidArchitecture("An architecture is a JSON object.")
        except ServiceError as error:
            skipped.append(
                SkippedArchitecture(
                    index=index, name=None, reason=error.detail, problem=dict(error.problem())
                )
            )
        else:
            places.append(index)
            readable.append(document)
    return places, readable, skipped
