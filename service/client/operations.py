"""What both clients do: every operation as a flow. `Client` and `AsyncClient` carry the flows out."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Unpack
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from service.client._architectures import Architecture, encode
from service.client._call import Call, ProgressCallback, job_path, json_object, parse, result_of
from service.client._errors import ConnectionFailed
from service.client._many import (
    Many,
    encode_many,
    encode_observations,
    merge_embeddings,
    merge_rankings,
    with_places,
)
from service.client._number_format import NumberFormat, name_of
from service.client._operation import operation
from service.client._options import FineTuneFields, FitFields, SearchFields
from service.client._results import (
    FineTuningResult,
    FittedPredictor,
    Health,
    Job,
    Model,
    Ranking,
    SearchResult,
)
from service.client._retry import problem_of, reason_of
from service.client._session import Session
from service.client._transfer import Flow, Request, computed
from service.client._written import prediction_request
from service.client.fine_tuned import FineTuned
from service.client.weights import PredictedWeights
from service.contract.many import Distance, Order, Unconnected
from service.contract.results import Comparison, Embeddings
from service.kit.json_types import JsonObject

Output = Literal["tiles", "safetensors", "npz"]
AnswerT = TypeVar("AnswerT", bound=BaseModel)

# How long a probe may stay without an answer.
_HEALTH_SECONDS = 10.0


class Operations:
    """timeout: seconds that a call may take in all, retries and waiting included; None takes the client's.
    progress: called with a `Progress` now and then.
    """

    _session: Session

    @operation
    def predict_weights(
        self,
        model_or_graph: Architecture,
        *,
        model: str | None = None,
        dtype: NumberFormat = "float32",
        output: Output = "tiles",
        include_classifier: bool = True,
        input_shape: Sequence[int] | None = None,
        example: Any = None,
        name: str | None = None,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> Flow[PredictedWeights]:
        """Predict the weights of a network; see `encode` for what may be passed. Waits for the answer.

        model: the GHN; the service's default where nothing is said.
        dtype: a name, or a number format of torch or numpy of such a name.
        output: how the numbers travel; `tiles` is the smallest, and all give the same numbers.
        input_shape: of one input without the batch axis, for a torch module whose input cannot be guessed.
        example: what a torch module is called with (a tensor, a tuple of arguments, a dictionary of keyword
            arguments), for one with several inputs; instead of `input_shape`, and never sent.
        timeout: seconds in all. progress: called with a `Progress` now and then, downloads included.

        Raises ApiError, JobFailed, JobTimeout, ConnectionFailed.
        """
        call = self._session.call(timeout, progress)
        encoded = yield from computed(
            lambda: encode(model_or_graph, input_shape=input_shape, example=example, name=name)
        )
        number_format = name_of(dtype)
        options = {
            "dtype": number_format,
            "output": output,
            "include_classifier": include_classifier,
            **_chosen({"model": model}),
        }
        # Equal requests share one computation, so repeating this one is harmless.
        request = Request("POST", "/predict-weights", content=prediction_request(encoded.json, options))
        result, body = yield from call.prediction(request)
        return PredictedWeights.from_download(
            body, output=output, dtype=number_format, result=result, source_onnx=encoded.source_onnx
        )

    @operation
    def rank_architectures(
        self,
        architectures: Iterable[Architecture],
        *,
        predictor: str | None = None,
        property: str | None = None,
        order: Order | None = None,
        unconnected: Unconnected = "skip",
        top_k: int | None = None,
        data: str | None = None,
        images: int | None = None,
        skip_bad: bool | None = None,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> Flow[Ranking]:
        """Order architectures by a predicted property. Ones that cannot be read are in `skipped`.

        More than 10,000 go in several requests. predictor: see `models()`; the service's default ranks
        without any training. property: refused if the predictor predicts something else. unconnected:
        whether cells whose output nothing reaches are skipped, or come behind all others without a score.
        data, images, skip_bad: for the predictors predicted-weights:GHN and KIND:MODEL, which run every
        network on so many validation images of a data set on the worker.
        order: without one the best come first: the lowest latency, the highest accuracy.
        """
        call = self._session.call(timeout, progress)
        many = yield from computed(lambda: encode_many(architectures))
        question = {
            "predictor": predictor,
            "property": property,
            "order": order,
            "unconnected": unconnected,
            "top_k": top_k,
            "data": data,
            "images": images,
            "skip_bad": skip_bad,
        }
        parts = yield from _over_parts(call, "rank", Ranking, many, question)
        return merge_rankings(many, parts, order=order, top_k=top_k)

    @operation
    def embed_architectures(
        self,
        architectures: Iterable[Architecture],
        *,
        model: str | None = None,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> Flow[Embeddings]:
        """One vector for each architecture, by a GHN; None is the service's default. More than 10,000 go in
        several requests.
        """
        call = self._session.call(timeout, progress)
        many = yield from computed(lambda: encode_many(architectures))
        parts = yield from _over_parts(call, "embed", Embeddings, many, {"model": model})
        return merge_embeddings(many, parts)

    @operation
    def compare_architectures(
        self,
        architectures: Iterable[Architecture],
        *,
        model: str | None = None,
        by: Distance = "embedding",
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> Flow[Comparison]:
        """Distances between all pairs of up to 300 architectures: of their embeddings, or, without a model,
        the cost of the best assignment between their nodes.
        """
        call = self._session.call(timeout, progress)
        many = yield from computed(lambda: encode_many(architectures))
        question = {"model": model, "by": None if by == "embedding" else by}
        return with_places(many, (yield from _over(call, "compare", Comparison, many, question)))

    @operation
    def fit_predictor(
        self,
        observations: Iterable[tuple[Architecture, float | None]],
        *,
        name: str,
        replace: bool = False,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
        **options: Unpack[FitFields],
    ) -> Flow[FittedPredictor]:
        """Fit a predictor to architectures that you have trained or measured, and wait for it. It ranks under
        `name` from then on, and reports its uncertainty.

        observations: (architecture, value) pairs, 7 to 20,000. property: what the values are. features: what
        to learn from: counts over the structure, embeddings by `ghn` (the service's default GHN where none is
        named), or both. failed: what becomes of trainings whose value is None, NaN or infinite: left out, or
        taken for lower or higher than all others, so that a search keeps away from what is like them.
        replace: take the place of a predictor of this name that is there.
        """
        call = self._session.call(timeout, progress)
        documents = yield from computed(lambda: encode_observations(observations))
        config = _chosen({"observations": documents, **options})
        request = _training_request("predictor", name, config, replace=replace)
        return (yield from call.result(FittedPredictor, request))

    @operation
    def fine_tune(
        self,
        model_or_graph: Architecture,
        *,
        data: str,
        name: str | None = None,
        input_shape: Sequence[int] | None = None,
        example: Any = None,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
        **options: Unpack[FineTuneFields],
    ) -> Flow[FineTuned]:
        """Predict a network's weights, train it on images, and bring its weights back. Waits for the end.

        model_or_graph, input_shape, example: as for `predict_weights`. data: digits, cifar10, or a folder
        or zip file of images in the service's data folder; the network has as many outputs as they have
        classes. mirror: half of the training images; where nothing is said, unless classes are single
        characters. skip_bad: False ends the job where files cannot be read. model:
        the GHN that predicts the start. start: where nothing is said, the better of both after a tenth of the
        epochs. head: "solve" (the last layer in closed form) where nothing is said. epochs: 0 for the start
        itself. noise: on predicted weights, in their standard deviations. compare: train from both starts to
        the end, and keep the better. timeout: seconds in all;
        a training that takes longer goes on, and `wait_for_job` finds it.

        Raises ApiError, JobFailed, JobTimeout, ConnectionFailed.
        """
        call = self._session.call(timeout, progress)
        encoded = yield from computed(
            lambda: encode(model_or_graph, input_shape=input_shape, example=example, runnable=True)
        )
        config = _chosen({"architecture": encoded.document, "data": data, **options})
        result = yield from call.result(FineTuningResult, _training_request("finetune", name, config))
        body = yield from call.download(result.weights)
        return FineTuned(body, result, encoded.source_onnx)

    @operation
    def search(
        self,
        space: str,
        *,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
        **options: Unpack[SearchFields],
    ) -> Flow[SearchResult]:
        """Search a space for architectures that a predictor scores high, and wait for what it finds.

        space: one of `service.contract.search.SPACES`. predictor: as for
        `rank_architectures`. evaluations, seconds: the budget, one or both. trade_off: a second objective,
        less is better: parameters, multiply_adds, or the name of a predictor. max_*: what is allowed.
        data, images: for the predictors predicted-weights:GHN and KIND:MODEL. train: at the end the best so
        many and as many random ones are trained on `data`, `train_epochs` each, and compared (`trained`).
        """
        call = self._session.call(timeout, progress)
        request = _training_request("search", None, _chosen({"space": space, **options}))
        return (yield from call.result(SearchResult, request))

    @operation
    def models(self, *, timeout: float | None = None) -> Flow[list[Model]]:
        """Every checkpoint that the service can use."""
        response = yield from self._session.call(timeout).send(Request("GET", "/models"))
        return [parse(Model, item, "a model") for item in json_object(response).get("models", [])]

    @operation
    def model(self, name: str, *, timeout: float | None = None) -> Flow[Model]:
        """One checkpoint's record. Raises NotFound."""
        return (yield from self._session.call(timeout).fetch(Model, Request("GET", _model_path(name))))

    @operation
    def describe_model(self, name: str, description: str, *, timeout: float | None = None) -> Flow[Model]:
        """Say what a model of your own is for. Raises NotFound, and Conflict for one of the package."""
        request = Request("PATCH", _model_path(name), json={"description": description})
        return (yield from self._session.call(timeout).fetch(Model, request))

    @operation
    def remove_model(self, name: str, *, timeout: float | None = None) -> Flow[None]:
        """Remove a model of your own. Raises NotFound, and Conflict for one of the package."""
        yield from self._session.call(timeout).send(Request("DELETE", _model_path(name)))

    @operation
    def job(self, job_id: str, *, timeout: float | None = None) -> Flow[Job]:
        """A job's present state. Raises NotFound, also when its record has expired."""
        return (yield from self._session.call(timeout).job(job_id))

    @operation
    def wait_for_job(
        self,
        job: Job | str,
        *,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
        check: bool = True,
    ) -> Flow[Job]:
        """Wait until a job has ended. Raises JobFailed or JobCancelled unless `check` is false, and
        JobTimeout.
        """
        call = self._session.call(timeout, progress)
        current = (yield from call.job(job)) if isinstance(job, str) else job
        final = yield from call.end_of(current)
        if check:
            result_of(final)
        return final

    @operation
    def cancel_job(self, job_id: str, *, timeout: float | None = None) -> Flow[Job]:
        """Ask a queued or running job to stop. Raises Conflict if it has ended."""
        return (yield from self._session.call(timeout).fetch(Job, Request("DELETE", job_path(job_id))))

    @operation
    def create_training_job(
        self,
        kind: str,
        name: str | None,
        config: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Flow[Job]:
        """Start training, or a search (which needs no name). Returns at once; follow it with `job_events` or
        `wait_for_job`. kind: one of `service.contract.kinds.KINDS`, if the service knows it too.

        idempotency_key: two calls with the same key start one job; by default each has its own.
        """
        request = _training_request(kind, name, config or {}, idempotency_key)
        return (yield from self._session.call(timeout).fetch(Job, request))

    @operation
    def health(self, *, timeout: float | None = None) -> Flow[Health]:
        """Whether the service can take work; one try, no retries. Raises ConnectionFailed if nothing
        answers.
        """
        try:
            patience = _HEALTH_SECONDS if timeout is None else min(timeout, _HEALTH_SECONDS)
            response = yield Request("GET", "/readyz", read_timeout_seconds=patience)
        except httpx.RequestError as error:
            raise ConnectionFailed(f"GET /readyz: {reason_of(error)}") from error
        if response is None:
            raise TypeError("a request was answered with nothing")
        # A 503 is an answer here, not an error.
        if response.status_code not in (200, 503):
            raise problem_of(response)
        document = json_object(response)
        checks = document.get("checks")
        known = {"ready": response.status_code == 200, "checks": checks if isinstance(checks, dict) else {}}
        return Health(**{**document, **known})


def _over_parts(
    call: Call, verb: str, model: type[AnswerT], many: Many, question: Mapping[str, Any]
) -> Flow[list[tuple[Many, AnswerT]]]:
    """Each request with its answer."""
    answers = []
    for part in many.parts():
        answers.append((part, (yield from _over(call, verb, model, part, question))))
    return answers


def _over(
    call: Call, verb: str, model: type[AnswerT], many: Many, question: Mapping[str, Any]
) -> Flow[AnswerT]:
    """One request over many architectures."""
    request = Request(
        "POST",
        f"/{verb}-architectures",
        content=many.lines(),
        params=_chosen(question),
        headers={"Content-Type": "application/x-ndjson"},
    )
    return call.result(model, request)


def _chosen(options: Mapping[str, Any]) -> JsonObject:
    """Options that nobody chose are left to the service."""
    return {name: value for name, value in options.items() if value is not None}


def _training_request(
    kind: str,
    name: str | None,
    config: Mapping[str, Any],
    idempotency_key: str | None = None,
    *,
    replace: bool = False,
) -> Request:
    document: JsonObject = {"kind": kind, "config": dict(config)}
    if replace:
        document["replace"] = True
    if name is not None:
        document["name"] = name
    # The key makes a repeated request find the job that the first one started, instead of training twice.
    key = idempotency_key or uuid.uuid4().hex
    return Request("POST", "/training-jobs", json=document, headers={"Idempotency-Key": key})


def _model_path(name: str) -> str:
    return f"/models/{quote(name, safe='')}"


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, newest first, and the cursor of the next page (None at the end)."""

    jobs: list[Job]
    next_cursor: str | None


def jobs_page(call: Call, path: str, *, kind: str | None, limit: int, cursor: str | None) -> Flow[JobPage]:
    params: dict[str, str | int] = {"limit": limit, **_chosen({"kind": kind, "cursor": cursor})}
    document = json_object((yield from call.send(Request("GET", path, params=params))))
    jobs = [parse(Job, item, "a job") for item in document.get("jobs", [])]
    following = document.get("next_cursor")
    return JobPage(jobs, None if following is None else str(following))
