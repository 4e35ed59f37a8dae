"""Following a job by its server-sent events. No I/O here: the clients open the streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from service.client._call import job_path
from service.client._errors import ApiError, ConnectionFailed, UnexpectedAnswer
from service.client._results import JobEvent
from service.client._retry import RETRIED_STATUSES, RetryPolicy, problem_of, reason_of
from service.client._transfer import Deadline, Request


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
