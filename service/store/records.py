"""What a job looks like: the public record of the API, and the few private fields the service needs beside
it.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from service.contract.kinds import KINDS
from service.contract.problem import Problem
from service.kit.json_types import JsonObject


class JobStatus(StrEnum):
    """queued -> running -> succeeded | failed | cancelled; queued -> cancelled."""

    QUEUED = (
        "queued"  # recorded; a message for a worker is in the broker, or the reconciler will put one there
    )
    RUNNING = "running"  # a worker holds the lease, or did and the reconciler will hand the job on
    SUCCEEDED = "succeeded"  # `result` is set
    FAILED = "failed"  # `error` is a problem document
    CANCELLED = "cancelled"  # asked for, and nothing runs any more

    @property
    def is_final(self) -> bool:
        return self in FINAL


FINAL = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED})


class Progress(BaseModel):
    """done of total, in the units of the job (stages, steps); total 0 when it is not known."""

    done: float = 0
    total: float = 0
    message: str = ""


class About(BaseModel):
    """What a job is about, as far as its request said: by this it is found again in a list."""

    model_config = ConfigDict(frozen=True)

    name: str | None = Field(
        default=None,
        description="Of the model that a training makes, or of the network of a prediction.",
    )
    task: str | None = Field(
        default=None,
        description=f"The `kind` of a training job's request: {', '.join(KINDS)}.",
    )
    model: str | None = Field(default=None, description="The model that answers.")
    space: str | None = Field(default=None, description="Where a search looks.")
    architectures: int | None = Field(
        default=None,
        description="How many are ranked, embedded, compared or learned from.",
    )


class JobSummary(BaseModel):
    """A job as lists show it: without its result, which may hold megabytes; `links` says where that is."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    about: About = About()
    status: JobStatus
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: Progress = Progress()
    error: Problem | None = None
    links: dict[str, str] = Field(default_factory=dict)

    # Fields with exclude=True never leave the service.
    key: str = Field(default="", exclude=True)
    owner: str = Field(default="", exclude=True)
    queue: str = Field(default="", exclude=True)
    attempts: int = Field(default=0, exclude=True)
    cancel_requested: bool = Field(default=False, exclude=True)

    @property
    def is_final(self) -> bool:
        return self.status.is_final


class Job(JobSummary):
    """A job as it is asked for by its id."""

    result: JsonObject | None = None

    payload: JsonObject = Field(default_factory=dict, exclude=True)
    # The request that made it and its trace: see service.tracing.
    trace: dict[str, str] = Field(default_factory=dict, exclude=True)
    # False when `create` found a live job with the same key: somebody else has enqueued it.
    is_new: bool = Field(default=False, exclude=True)


class Event(BaseModel):
    """One line of a job's history. `id` grows, and serves as Last-Event-ID of server-sent events.

    type: "state" {status}, "progress" {done, total, message}, or "metric" (whatever the trainer reports).
    """

    model_config = ConfigDict(frozen=True)

    id: str
    type: str
    data: JsonObject


class JobPage(BaseModel):
    """Some jobs, newest first; `next_cursor` is None on the last page."""

    jobs: list[JobSummary]
    next_cursor: str | None = None


def new_job_id() -> str:
    """32 hex digits: milliseconds since 1970 (so that ids sort by age), then 80 random bits."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def links_of(job_id: str) -> dict[str, str]:
    return {"self": f"/jobs/{job_id}", "events": f"/jobs/{job_id}/events"}
