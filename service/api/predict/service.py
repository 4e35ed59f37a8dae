"""Answering a prediction: known? -> in flight? -> queue it and wait a little.

No step computes a prediction. What is expensive here is reading the architecture; equal bytes are read once,
by remembering which digest they led to, and by letting equal requests that arrive together share one reading.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import anyio.to_thread
import structlog
from fastapi import Depends
from starlette.requests import Request

from service.api.keys import Principal
from service.api.middleware import RequestRecord
from service.api.models import find_model
from service.api.predict.keys import prediction_digest, submission_key
from service.api.predict.parsing import Submission, SubmissionReader
from service.api.predict.reading import ArchitectureReader, ReadArchitecture
from service.api.services import Services
from service.contract.predict import PredictPayload
from service.contract.results import PredictionResult
from service.errors import Conflict, InvalidRequest, Unavailable, UnsupportedOperator
from service.kit.json_types import JsonObject
from service.models.catalog import ModelCard
from service.store.measurements import count_unsupported
from service.store.queue import enqueue
from service.store.records import About, Job
from service.weights.output import check_output

log = structlog.get_logger("weightcast.api")

KIND = "predict"
QUEUE = "predict"
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A submission with its model: what the digest of the answer is made of.

    key: see `submission_key`. job: the one that has answered equal bytes before, or is at it.
    """

    submission: Submission
    card: ModelCard
    key: str
    job: Job | None = None


class KnownAnswer(NamedTuple):
    """The result of a prediction that was made before, and the job that has told it, if that is known."""

    result: JsonObject
    job_id: str | None


class Predictions:
    """The work behind POST /predict-weights."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.submissions = SubmissionReader(services.graph_limits)
        self.reader = ArchitectureReader(services.graph_limits)
        self._reading: dict[str, asyncio.Task[tuple[ReadArchitecture, str]]] = {}

    async def prepare(self, request: Request, caller: Principal) -> Inquiry:
        """Read the request, check its options, and look up whether its bytes are known. What
        `SubmissionReader.read` raises; UnknownModel, InvalidRequest.
        """
        submission = await self.submissions.read(request)
        options = submission.options
        check_output(options.output, options.dtype)
        if options.output == "onnx" and not submission.is_onnx:
            raise InvalidRequest(
                "The output 'onnx' is the uploaded ONNX model with its weights filled in, "
                "and no ONNX model was sent.",
                field="/output",
                hint="Send the network as ONNX, or ask for safetensors.",
            )
        # One thread for all of it: changing threads costs more than each of these questions.
        return await anyio.to_thread.run_sync(self._look_up, submission, caller)

    async def start(self, inquiry: Inquiry, caller: Principal, record: RequestRecord) -> Job:
        """The job of a prediction: finished where the answer is known, else one in flight, else a new one.

        The readers' errors; Unavailable and TooManyRequests where no more work is taken.
        """
        if inquiry.job is not None:
            record.cache = "hit" if inquiry.job.is_final else "shared"
            return inquiry.job
        with record.stage("read"):
            architecture, digest = await self._read(inquiry)
        with record.stage("queue"):
            job = await anyio.to_thread.run_sync(self._answer_or_queue, inquiry, architecture, digest, caller)
        record.cache = "miss" if job.is_new else "hit" if job.is_final else "shared"
        return job

    def _look_up(self, submission: Submission, caller: Principal) -> Inquiry:
        """Blocking."""
        services = self._services
        options = submission.options
        name = options.model or services.settings.default_model
        card = find_model(services.settings, name)
        if card.kind != "ghn":
            raise InvalidRequest(
                f"The model {name!r} is a {card.kind}; it does not predict weights.", field="/model"
            )
        submission = replace(submission, options=replace(options, model=card.name))
        kind = "onnx" if submission.onnx is not None else "json"
        key = submission_key(submission.content, kind, options, card.digest)
        known = services.cache.get(f"submission:{key}")
        if not isinstance(known, str):
            return Inquiry(submission, card, key)
        about = _about(submission.called, card)
        job = self._answer(known, caller, about) or services.jobs.by_key(known)
        return Inquiry(submission, card, key, job)

    async def _read(self, inquiry: Inquiry) -> tuple[ReadArchitecture, str]:
        """Read the architecture, once for all equal requests of the moment."""
        task = self._reading.get(inquiry.key)
        if task is None:
            task = asyncio.create_task(self._read_now(inquiry))
            self._reading[inquiry.key] = task
            task.add_done_callback(lambda _: self._reading.pop(inquiry.key, None))
        # Shielded: a caller that hangs up must not spoil it for the others.
        return await asyncio.shield(task)

    async def _read_now(self, inquiry: Inquiry) -> tuple[ReadArchitecture, str]:
        try:
            architecture = await self.reader.read(inquiry.submission)
        except UnsupportedOperator as error:
            await anyio.to_thread.run_sync(self._count, error)
            raise
        options = inquiry.submission.options
        source = architecture.onnx_sha256 if options.output == "onnx" else None
        return architecture, prediction_digest(architecture.digest, options, inquiry.card.digest, source)

    def _count(self, error: UnsupportedOperator) -> None:
        """Whoever runs the service sees which operators its users miss. Blocking."""
        try:
            count_unsupported(self._services.jobs.redis, error.problem())
        except Unavailable:
            log.warning("metrics.operator_not_counted", operator=error.extra.get("operator"))

    def _known_answer(self, digest: str) -> KnownAnswer | None:
        """The answer, if it is known and its file is there. Blocking."""
        services = self._services
        document, job_id = services.cache.get_many(digest, f"answer:{digest}")
        if document is None:
            return None
        result = PredictionResult.model_validate(document)
        if services.artifacts.find(result.weights.name) is None:
            services.cache.forget(digest)
            return None
        job_id = job_id if isinstance(job_id, str) else None
        return KnownAnswer(result.model_copy(update={"cached": True}).as_json(), job_id)

    def _answer(self, digest: str, caller: Principal, about: About) -> Job | None:
        """A finished job that holds the known answer, None where there is none. Blocking.

        The job that computed it is named where its record still lives; else a record is made, once for all
        callers.
        """
        services = self._services
        known = self._known_answer(digest)
        if known is None:
            return None
        job = services.jobs.get(known.job_id) if known.job_id is not None else None
        if job is not None and not job.is_final:
            return job  # its worker has stored the answer and is about to say so
        if job is None or job.result is None:
            made = services.jobs.create(KIND, key="", payload={}, owner=caller.id, queue=QUEUE, about=about)
            services.cache.put(f"answer:{digest}", made.id)
            return services.jobs.answered(made, known.result)
        return job.model_copy(update={"result": known.result})

    def _answer_or_queue(
        self, inquiry: Inquiry, architecture: ReadArchitecture, digest: str, caller: Principal
    ) -> Job:
        """The job with the known answer, the live one for this digest, or a new one, handed to the workers.
        Blocking.
        """
        services = self._services
        led_to = {f"submission:{inquiry.key}": digest}
        about = _about(inquiry.submission.called or architecture.name, inquiry.card)
        if (live := services.jobs.by_key(digest) or self._answer(digest, caller, about)) is not None:
            services.cache.put_small(led_to)
            return live
        services.admission.check(QUEUE, caller)
        options = inquiry.submission.options
        payload: PredictPayload = {
            "graph": architecture.store_graph(services.artifacts),
            "source_onnx": architecture.store_source(services.artifacts)
            if options.output == "onnx"
            else None,
            "from_onnx": architecture.onnx is not None,
            "torchvision": architecture.torchvision,
            # Where the worker leaves the graph of a network that only it can build.
            "traced": architecture.graph_name if architecture.torchvision is not None else None,
            "model": inquiry.card.name,
            "model_digest": inquiry.card.digest,
            "dtype": options.dtype,
            "output": options.output,
            "include_classifier": options.include_classifier,
            "digest": digest,
        }
        job = services.jobs.create(
            KIND, key=digest, payload=payload, owner=caller.id, queue=QUEUE, about=about
        )
        if not job.is_new:
            services.cache.put_small(led_to)
            return job
        # The answer may have come since it was looked for, with the end of the job that was live then.
        if (known := self._known_answer(digest)) is not None:
            services.cache.put_small(led_to)
            return services.jobs.answered(job, known.result)
        services.cache.put_small({**led_to, f"answer:{digest}": job.id})
        enqueue(job, services.settings)
        return job


async def _injected(request: Request) -> Predictions:
    # A coroutine, for the framework would send a plain function through a thread at every request.
    predictions = request.app.state.predictions
    assert isinstance(predictions, Predictions)
    return predictions


InjectedPredictions = Annotated[Predictions, Depends(_injected)]


def _about(name: str | None, card: ModelCard) -> About:
    """The name comes from outside: short, and of letters that can be seen."""
    visible = "".join(letter for letter in name or "" if letter.isprintable())[:_LONGEST_NAME]
    return About(name=visible or None, model=card.name)


def weights_name(job: Job) -> str:
    """Name of the file of a succeeded prediction. Conflict where the job has none."""
    if job.result is None:
        raise Conflict(f"This job has {job.status.value}; it has no weights.", job=job.id)
    return PredictionResult.model_validate(job.result).weights.name
