"""One call of a client: its requests, with retries and one deadline for all of them, and what their answers
mean.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from service.client._errors import JobCancelled, JobFailed, JobTimeout, UnexpectedAnswer
from service.client._kept_files import KeptFiles
from service.client._results import Job, Progress
from service.client._retry import RetryPolicy, send
from service.client._together import ACCEPT, Together
from service.client._transfer import Deadline, Download, Flow, Pause, Request
from service.contract.results import PredictionResult, WeightsFile
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """How often to retry, how long it may take, which files are there, whom to tell. Methods raise what
    `send` raises, and UnexpectedAnswer.
    """

    policy: RetryPolicy
    deadline: Deadline
    kept: KeptFiles
    progress: ProgressCallback | None = None

    def send(self, request: Request) -> Flow[httpx.Response]:
        return send(request, self.policy, self.deadline)

    def fetch(self, model: type[ModelT], request: Request) -> Flow[ModelT]:
        """A document of this type."""
        document = json_object((yield from self.send(request)))
        return parse(model, document, f"the answer to {request.method} {request.path}")

    def job(self, job_id: str, *, wait: int = 0) -> Flow[Job]:
        """A job's state. wait: seconds that the service may hold the request until the job has ended."""
        params = {"wait": wait} if wait else {}
        request = Request("GET", job_path(job_id), params=params, read_timeout_seconds=wait + _SLACK_SECONDS)
        return self.fetch(Job, request)

    def end_of(self, job: Job) -> Flow[Job]:
        """Ask until the job has ended, whatever its end. Raises JobTimeout at the deadline.

        The service holds each request until the job ends, or for a moment if somebody watches the progress.
        Where it does not (a proxy, an older service), pauses between the requests take over.
        """
        pause, deadline = FIRST_POLL_SECONDS, self.deadline
        longest = MAX_WAIT_SECONDS if self.progress is None else WATCHED_WAIT_SECONDS
        while True:
            if self.progress is not None and job.progress is not None:
                self.progress(job.progress)
            if job.is_final:
                return job
            if deadline.remaining_seconds <= pause:
                raise JobTimeout(job, deadline.elapsed_seconds)
            wait = int(min(longest, deadline.remaining_seconds))
            start = deadline.elapsed_seconds
            job = yield from self.job(job.id, wait=wait)
            if not job.is_final and deadline.elapsed_seconds - start < max(wait / 2, FIRST_POLL_SECONDS):
                yield Pause(pause)
                pause = min(pause * POLL_GROWTH, MAX_POLL_SECONDS)

    def result(self, model: type[ModelT], request: Request, together: Together | None = None) -> Flow[ModelT]:
        """Submit work and bring back its result. Raises JobFailed, JobCancelled, JobTimeout.

        Asks the service to hold the request open for a while (`Prefer: wait`), and polls after that. Services
        answer quick work directly, without a job around it; both forms give the same result here.
        together: takes the answer, and the file with it.
        """
        wait = int(min(MAX_WAIT_SECONDS, self.deadline.remaining_seconds))
        headers = {**request.headers, "Prefer": f"wait={wait}"}
        request = replace(request, headers=headers, read_timeout_seconds=wait + _SLACK_SECONDS)
        response = yield from self.send(replace(request, sink=together))
        document = json_object(response, None if together is None else together.document)
        if {"id", "kind", "status"} <= document.keys():
            document = result_of((yield from self.end_of(parse(Job, document, "a job"))))
        return parse(model, document, f"the result of {request.path.lstrip('/')}")

    def prediction(self, request: Request) -> Flow[tuple[PredictionResult, bytearray]]:
        """Submit a prediction and bring back its result and its file: in one answer where the service gives
        both, else one after the other. A file that is still the answer to an equal request is not fetched
        again. Raises what `result` and `download` raise.
        """
        if (known := self.kept.of(request.content)) is not None:
            result = yield from self.result(PredictionResult, request)
            if result.weights.sha256 == known.sha256:
                self._tell_download(len(known.body), len(known.body))
                return result, bytearray(known.body)
            body = yield from self.download(result.weights)
        else:
            result, body = yield from self._with_file(request)
        self.kept.keep(request.content, result.weights.sha256, body)
        return result, body

    def _with_file(self, request: Request) -> Flow[tuple[PredictionResult, bytearray]]:
        together = Together(Download())
        request = replace(request, headers={**request.headers, "Accept": ACCEPT})
        result = yield from self.result(PredictionResult, request, together)
        if together.file is None:
            return result, (yield from self.download(result.weights))
        body = _checked(together.file, result.weights)
        self._tell_download(len(body), len(body))
        return result, body

    def download(self, file: WeightsFile) -> Flow[bytearray]:
        """The weights file, checked against its size and checksum; a broken download goes on where it
        stopped.
        """
        sink = Download(lambda done, total: self._tell_download(done, total or file.size))
        yield from self.send(Request("GET", file.url, sink=sink))
        return _checked(sink, file)

    def _tell_download(self, done: int, total: int | None) -> None:
        if self.progress is not None:
            self.progress(Progress(done=done, total=total, message="downloading"))


def _checked(download: Download, file: WeightsFile) -> bytearray:
    """What has arrived. Raises UnexpectedAnswer if it is not what was announced."""
    if file.size is not None and len(download.body) != file.size:
        raise UnexpectedAnswer(f"the weights file has {len(download.body)} bytes instead of {file.size}")
    if file.sha256 is not None and download.sha256 != file.sha256:
        raise UnexpectedAnswer("the weights file is damaged: its SHA-256 is not the one announced")
    return download.body


def job_path(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"


def result_of(job: Job) -> JsonObject:
    """The result of a job that has ended. Raises JobFailed or JobCancelled."""
    if job.status == "failed":
        raise JobFailed(job)
    if job.status == "cancelled":
        raise JobCancelled(job)
    if job.result is None:
        raise UnexpectedAnswer(f"job {job.id} {job.status}, but carries no result")
    return job.result


def json_object(response: httpx.Response, content: bytes | None = None) -> JsonObject:
    """The document of an answer. content: its body, where something else has taken it."""
    try:
        document = json.loads(response.content if content is None else content)
    except ValueError as error:
        raise UnexpectedAnswer(f"{response.request.url} did not answer JSON") from error
    if not isinstance(document, dict):
        raise UnexpectedAnswer(f"{response.request.url} did not answer a JSON object")
    return document


def parse(model: type[ModelT], document: Any, what: str) -> ModelT:
    """The typed answer. Raises UnexpectedAnswer with the first field that is wrong."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise UnexpectedAnswer(
            f"{what} is not what this client understands: {sentence(where, first)}"
        ) from error
