"""Jobs as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, overload

from service.client import _views
from service.client._results import Job

if TYPE_CHECKING:
    import pandas

_COLUMNS = ("id", "kind", "name", "task", "model", "status", "created", "seconds", "progress", "error")


class JobTable(Sequence[Job]):
    """Some jobs: a notebook shows them as a table, `to_pandas()` makes a data frame.

    >>> JobTable(client.jobs())
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        """Takes all of an iterable. Of an asynchronous client: `JobTable([job async for job in ...])`."""
        self._jobs = tuple(jobs)

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs)

    @overload
    def __getitem__(self, place: int) -> Job: ...
    @overload
    def __getitem__(self, place: slice) -> JobTable: ...
    def __getitem__(self, place: int | slice) -> Job | JobTable:
        return JobTable(self._jobs[place]) if isinstance(place, slice) else self._jobs[place]

    def __repr__(self) -> str:
        return f"<JobTable of {len(self)} jobs>"

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each job. seconds: that it ran, so far; progress: 0 to 1, None while nobody knows.

        Raises NotInstalled without pandas (the extra `plots`).
        """
        return _views.to_frame(list(map(job_row, self)), _COLUMNS)

    def _repr_html_(self) -> str:
        return _views.to_html(f"{len(self):,} jobs", list(map(job_row, self)), _COLUMNS)


def job_row(job: Job) -> _views.Row:
    return {
        "id": job.id,
        "kind": job.kind,
        "name": job.about.name,
        "task": job.about.task,
        "model": job.about.model,
        "status": job.status,
        "created": job.created_at,
        "seconds": _seconds(job),
        "progress": _share(job),
        "error": None if job.error is None else job.error.get("detail"),
    }


def _seconds(job: Job) -> float | None:
    if job.started_at is None:
        return None
    end = job.finished_at or datetime.now(UTC)
    return (end - job.started_at).total_seconds()


def _share(job: Job) -> float | None:
    if job.status == "succeeded":
        return 1.0
    if job.progress is None or not job.progress.total:
        return None
    return min(1.0, job.progress.done / job.progress.total)
