"""Jobs: submit, wait, follow. No I/O here; see `_transfer` for how flows are carried out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from service.client._errors import (
    ApiError,
    ConnectionFailed,
    JobCancelled,
    JobFailed,
    JobTimeout,
    UnexpectedAnswer,
)
from service.client._results import Job, JobEvent, Progress
from service.client._retry import RETRIED_STATUSES, RetryPolicy, problem_of, reason_of, send
from service.client._transfer import Deadline, Flow, Pause, Request
from service.kit.field_messages import sentence
from service.kit.json_types import JsonObject

ProgressCallback = Callable[[Progress], None]
ModelT = TypeVar("ModelT", bound=BaseModel)

# Longest that the service may hold a request open for us; it refuses more than 60.
MAX_WAIT_SECONDS = 20
WATCHED_WAIT_SECONDS = 1
# Added to the time that a request may be held open, for the network and a busy service.
_SLACK_SECONDS = 15.0
FIRST_POLL_SECONDS, POLL_GROWTH, MAX_POLL_SECONDS = 0.1, 1.5, 5.0


def parse(model: type[ModelT], response: httpx.Response) -> ModelT:
    """The typed answer. Raises UnexpectedAnswer with the first field that is wrong."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise UnexpectedAnswer(
            f"{response.request.url} gave an answer this client does not understand: {sentence(where, first)}"
        ) from error


def job_path(job_id: str) -> str:
    return f"/jobs/{job_id}"


def fetch_job(job_id: str, policy: RetryPolicy, deadline: Deadline, *, wait: int = 0) -> Flow[Job]:
    """A job's state. wait: seconds that the service may hold the request until the job has ended."""
    request = Request(
        "GET",
        job_path(job_id),
        params={"wait": wait} if wait else {},
        read_timeout_seconds=wait + _SLACK_SECONDS,
    )
    response = yield from send(request, policy, deadline)
    return parse(Job, response)


def wait_until_final(
    job: Job, policy: RetryPolicy, deadline: Deadline, progress: ProgressCallback | None
) -> Flow[Job]:
    """Ask until the job has ended, whatever its end. Raises JobTimeout at the deadline.

    The service holds each request until the job ends, or for a moment if somebody watches the progress. Where
    it does not (a proxy, an older service), pauses between the requests take over.
    """
    pause = FIRST_POLL_SECONDS
    while True:
        if progress is not None and job.progress is not None:
            progress(job.progress)
        if job.is_final:
            return job
        if deadline.remaining_seconds <= pause:
            raise JobTimeout(job, deadline.elapsed_seconds)
        wait = int(
            min(MAX_WAIT_SECONDS if progress is None else WATCHED_WAIT_SECONDS, deadline.remaining_seconds)
        )
        start = deadline.elapsed_seconds
        job = yield from fetch_job(job.id, policy, deadline, wait=wait)
        if not job.is_final and deadline.elapsed_seconds - start < max(wait / 2, FIRST_POLL_SECONDS):
            yield Pause(pause)
            pause = min(pause * POLL_GROWTH, MAX_POLL_SECONDS)


def result_of(job: Job) -> JsonObject:
    """The result of a job that has ended. Raises JobFailed or JobCancelled."""
    if job.status == "failed":
        raise JobFailed(job)
    if job.status == "cancelled":
        raise JobCancelled(job)
    if job.result is None:
        raise UnexpectedAnswer(f"job {job.id} {job.status}, but carries no result")
    return job.result


def run_job(
    request: Request, policy: RetryPolicy, deadline: Deadline, progress: ProgressCallback | None
) -> Flow[JsonObject]:
    """Submit work and bring back its result.

    Asks the service to hold the request open for a while (`Prefer: wait`), and polls after that. Services
    answer quick work directly, without a job around it; both forms give the same result here.
    """
    wait = int(min(MAX_WAIT_SECONDS, deadline.remaining_seconds))
    request = replace(
        request,
        headers={**request.headers, "Prefer": f"wait={wait}"},
        read_timeout_seconds=wait + _SLACK_SECONDS,
    )
    response = yield from send(request, policy, deadline)
    document = json_object(response)
    if not {"id", "kind", "status"} <= document.keys():
        return document
    job = yield from wait_until_final(parse(Job, response), policy, deadline, progress)
    return result_of(job)


def json_object(response: httpx.Response) -> JsonObject:
    try:
        document = json.loads(response.content)
    except ValueError as error:
        raise UnexpectedAnswer(f"{response.request.url} did not answer JSON") from error
    if not isinstance(document, dict):
        raise UnexpectedAnswer(f"{response.request.url} did not answer a JSON object")
    return document


@dataclass(slots=True)
class EventStream:
    """Follows the server-sent events of one job, over broken connections, until the job has ended.

    The owner opens `request()`, gives every line to `feed`, and asks `after` how long to wait before
    opening the next one, until `done`.
    """

    job_id: str
    policy: RetryPolicy
    deadline: Deadline
    done: bool = False
    last_id: str = ""
    _failures: int = 0
    _event: str = "message"
    _data: str = ""
    _retry_seconds: float | None = None

    def request(self) -> Request:
        headers = {"Accept": "text/event-stream"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        patience = min(60.0, max(0.05, self.deadline.remaining_seconds))
        return Request(
            "GET", f"{job_path(self.job_id)}/events", headers=headers, read_timeout_seconds=patience
        )

    def feed(self, line: str) -> Iterator[JobEvent]:
        """Take one line without its end. Gives an event when the line completes one."""
        self._failures = 0
        if line:
            self._field(line)
            return
        if self._data:
            event = self._complete()
            self.done = event.event == "end"
            yield event
        self._event, self._data = "message", ""

    def _field(self, line: str) -> None:
        # https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data += f"{value}\n" if self._data else value
        elif name == "id" and "\0" not in value:
            self.last_id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self._retry_seconds = int(value[:6]) / 1000

    def _complete(self) -> JobEvent:
        try:
            data = json.loads(self._data)
        except ValueError as error:
            raise UnexpectedAnswer(f"an event of job {self.job_id} is not JSON") from error
        return JobEvent(id=self.last_id, event=self._event, data=data if isinstance(data, dict) else {})

    def after(self, response: httpx.Response | None, error: httpx.RequestError | None) -> float:
        """The stream ended, broke (`error`), or was not opened. Returns the pause before the next try.

        Raises the refusal, or ConnectionFailed after too many tries in a row.
        """
        self._event, self._data = "message", ""
        if self.done:
            return 0.0
        if error is None and response is not None and response.status_code == httpx.codes.NO_CONTENT:
            self.done = True  # the job has ended, and every event was seen
            return 0.0
        if error is None and response is not None and response.is_error:
            refusal = problem_of(response)
            if response.status_code not in RETRIED_STATUSES:
                raise refusal
            return self._next_pause(refusal, refusal.retry_after_seconds)
        reason = "the stream ended early" if error is None else reason_of(error)
        failure = ConnectionFailed(f"events of job {self.job_id}: {reason}")
        failure.__cause__ = error
        return self._next_pause(failure, self._retry_seconds)

    def _next_pause(self, trouble: ApiError | ConnectionFailed, retry_after: float | None) -> float:
        self._failures += 1
        pause = max(self.policy.pause_seconds(self._failures), retry_after or 0.0)
        if self._failures >= self.policy.attempts or pause >= self.deadline.remaining_seconds:
            raise trouble
        return pause
