"""The asynchronous client: `Client`, awaited. What happens and in which order is decided in `operations`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TypeVar

import httpx

from service.client._operation import Awaiting
from service.client._results import Job, JobEvent
from service.client._session import Connected
from service.client._transfer import Compute, Flow, Pause, Request
from service.client.operations import Operations, jobs_page

T = TypeVar("T")


class AsyncClient(Connected[httpx.AsyncBaseTransport], Operations, Awaiting):
    """A connection to a Weightcast service, for asyncio. Tasks may share one.

    >>> async with AsyncClient("http://127.0.0.1:8000") as client:
    ...     weights = await client.predict_weights("torchvision:resnet50")
    """

    def _connect(self, transport: httpx.AsyncBaseTransport | None) -> None:
        self._http = httpx.AsyncClient(transport=transport)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the pooled connections."""
        await self._http.aclose()

    async def job_events(self, job_id: str, *, timeout: float | None = None) -> AsyncIterator[JobEvent]:
        """Progress, metrics and states of a job as they happen, from its start, until it has ended.

        A broken stream is taken up where it stopped. `timeout`: seconds in all; None, here, means no limit.
        """
        stream = self._session.event_stream(job_id, timeout)
        while not stream.done:
            response: httpx.Response | None = None
            broken: httpx.RequestError | None = None
            try:
                async with self._http.stream(**self._session.arguments(stream.request())) as response:
                    if response.is_success:
                        async for line in response.aiter_lines():
                            for event in stream.feed(line):
                                yield event
                    else:
                        await response.aread()
            except httpx.RequestError as error:
                broken = error
            await asyncio.sleep(stream.after(response, broken))

    async def jobs(
        self, *, kind: str | None = None, page_size: int = 50, timeout: float | None = None
    ) -> AsyncIterator[Job]:
        """Jobs of this key, newest first and without results, fetched page by page. `timeout`: seconds a
        page.
        """
        async for job in self._list("jobs", kind, page_size, timeout):
            yield job

    async def training_jobs(self, *, page_size: int = 50, timeout: float | None = None) -> AsyncIterator[Job]:
        """Training jobs, newest first, without results, fetched page by page. `timeout`: seconds a page."""
        async for job in self._list("training-jobs", None, page_size, timeout):
            yield job

    async def _list(
        self, path: str, kind: str | None, page_size: int, timeout: float | None
    ) -> AsyncIterator[Job]:
        cursor: str | None = None
        while True:
            call = self._session.call(timeout)
            page = await self._run(jobs_page(call, path, kind=kind, limit=page_size, cursor=cursor))
            for job in page.jobs:
                yield job
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _run(self, flow: Flow[T]) -> T:
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
                await asyncio.to_thread(step.function)
                continue
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                continue
            try:
                answer = await self._send(step)
            except httpx.RequestError as error:
                failure = error

    async def _send(self, request: Request) -> httpx.Response:
        async with self._http.stream(**self._session.arguments(request)) as response:
            if request.sink is not None and response.is_success:
                request.sink.begin(response)
                async for chunk in response.aiter_bytes():
                    request.sink.write(chunk)
            else:
                await response.aread()
        return response
