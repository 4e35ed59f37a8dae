"""The synchronous client. What happens and in which order is decided in `operations`; here it is
carried out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import TypeVar

import httpx

from service.client._operation import Blocking
from service.client._results import Job, JobEvent
from service.client._session import Connected
from service.client._transfer import Compute, Flow, Pause, Request
from service.client.operations import Operations, jobs_page

T = TypeVar("T")


class Client(Connected[httpx.BaseTransport], Operations, Blocking):
    """A connection to a Weightcast service. Threads may share one.

    >>> with Client("http://127.0.0.1:8000") as client:
    ...     weights = client.predict_weights("torchvision:resnet50")
    """

    def _connect(self, transport: httpx.BaseTransport | None) -> None:
        self._http = httpx.Client(transport=transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def job_events(self, job_id: str, *, timeout: float | None = None) -> Iterator[JobEvent]:
        """Progress, metrics and states of a job as they happen, from its start, until it has ended.

        A broken stream is taken up where it stopped. `timeout`: seconds in all; None, here, means no limit.
        """
        stream = self._session.event_stream(job_id, timeout)
        while not stream.done:
            response: httpx.Response | None = None
            broken: httpx.RequestError | None = None
            try:
                with self._http.stream(**self._session.arguments(stream.request())) as response:
                    if response.is_success:
                        for line in response.iter_lines():
                            yield from stream.feed(line)
                    else:
                        response.read()
            except httpx.RequestError as error:
                broken = error
            time.sleep(stream.after(response, broken))

    def jobs(
        self, *, kind: str | None = None, page_size: int = 50, timeout: float | None = None
    ) -> Iterator[Job]:
        """Jobs of this key, newest first and without results, fetched page by page. `timeout`: seconds a
        page.
        """
        return self._list("jobs", kind, page_size, timeout)

    def training_jobs(self, *, page_size: int = 50, timeout: float | None = None) -> Iterator[Job]:
        """Training jobs, newest first, without results, fetched page by page. `timeout`: seconds a page."""
        return self._list("training-jobs", None, page_size, timeout)

    def _list(self, path: str, kind: str | None, page_size: int, timeout: float | None) -> Iterator[Job]:
        cursor: str | None = None
        while True:
            call = self._session.call(timeout)
            page = self._run(jobs_page(call, path, kind=kind, limit=page_size, cursor=cursor))
            yield from page.jobs
            cursor = page.next_cursor
            if cursor is None:
                return

    def _run(self, flow: Flow[T]) -> T:
        """Carry out a flow's steps."""
        answer: httpx.Response | None = None
        failure: httpx.RequestError | None = None
        while True:
            try:
                step = flow.send(answer) if failure is None else flow.throw(failure)
            except StopIteration as stop:
                result: T = stop.value
                return result
            answer, failure = None, None
            if isinstance(step, Compute):
                step.function()
                continue
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                continue
            try:
                answer = self._send(step)
            except httpx.RequestError as error:
                failure = error

    def _send(self, request: Request) -> httpx.Response:
        with self._http.stream(**self._session.arguments(request)) as response:
            if request.sink is not None and response.is_success:
                request.sink.begin(response)
                for chunk in response.iter_bytes():
                    request.sink.write(chunk)
            else:
                response.read()
        return response
