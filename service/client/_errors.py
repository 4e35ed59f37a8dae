"""What a call can raise: the tree is at the top of the package (`service.client`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from service.kit.json_types import JsonObject

if TYPE_CHECKING:
    from service.client._results import Job

# As it came: an older service, or a proxy, may say less than `service.contract.problem.Problem`.
Problem = JsonObject


class WeightcastError(Exception):
    """Base of everything that the client raises on purpose."""


class ConnectionFailed(WeightcastError):
    """No complete answer arrived."""


class UnexpectedAnswer(WeightcastError):
    """An answer arrived that is not what the contract says."""


class ApiError(WeightcastError):
    """A refusal. `problem` is the RFC 9457 document: type, title, status, detail, often `hint`, `node`,
    `field`.
    """

    def __init__(self, problem: Mapping[str, Any], *, retry_after_seconds: float | None = None) -> None:
        self.problem: Problem = dict(problem)
        self.retry_after_seconds = retry_after_seconds
        super().__init__(_sentence(self.problem))

    @property
    def status(self) -> int:
        return int(self.problem.get("status", 0))

    @property
    def code(self) -> str:
        """The last part of the problem's `type`: "invalid-architecture", "unknown-model", ..."""
        return str(self.problem.get("type", "about:blank")).rstrip("/").rsplit("/", 1)[-1]

    @property
    def detail(self) -> str:
        return str(self.problem.get("detail") or self.problem.get("title") or f"status {self.status}")

    @property
    def hint(self) -> str | None:
        hint = self.problem.get("hint")
        return None if hint is None else str(hint)


class BadRequest(ApiError):
    """400 and the other 4xx without a class of their own."""


class Unauthorized(ApiError):
    """401: no key, or not a valid one."""


class Forbidden(ApiError):
    """403: the key is valid, but may not do this."""


class NotFound(ApiError):
    """404: there is nothing at this address (a job's record may have expired)."""


class Conflict(ApiError):
    """409: conflicts with something that exists already."""


class TooLarge(ApiError):
    """413: larger than a limit; the problem quotes `limit` and `value`."""


class Refused(ApiError):
    """422: read and understood, but not acceptable."""


class RateLimited(ApiError):
    """429: too many requests or queued jobs."""


class ServerError(ApiError):
    """5xx: something broke on the other side."""


class Unavailable(ServerError):
    """503: no worker serves the queue, or the service is shutting down."""


class JobError(WeightcastError):
    """A job that did not give a result. `job` is its last known state."""

    def __init__(self, message: str, job: Job) -> None:
        super().__init__(message)
        self.job = job


class JobFailed(JobError):
    """The job ended in an error. `problem` is its problem document."""

    def __init__(self, job: Job) -> None:
        self.problem: Problem = dict(job.error or {})
        super().__init__(f"job {job.id} failed: {_sentence(self.problem)}", job)


class JobCancelled(JobError):
    """The job was cancelled."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.id} was cancelled", job)


class JobTimeout(JobError):
    """The job had not ended in time. It was not cancelled."""

    def __init__(self, job: Job, waited_seconds: float) -> None:
        super().__init__(f"job {job.id} is still {job.status} after {waited_seconds:.0f} s", job)


_BY_STATUS: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    413: TooLarge,
    422: Refused,
    429: RateLimited,
    503: Unavailable,
}


def refusal(problem: Mapping[str, Any], *, retry_after_seconds: float | None = None) -> ApiError:
    """The exception that fits a problem document."""
    status = int(problem.get("status", 500))
    kind = _BY_STATUS.get(status) or (ServerError if status >= 500 else BadRequest)
    return kind(problem, retry_after_seconds=retry_after_seconds)


def _sentence(problem: Mapping[str, Any]) -> str:
    detail = str(problem.get("detail") or problem.get("title") or "no reason given")
    hint = problem.get("hint")
    return f"{detail} {hint}" if hint else detail
