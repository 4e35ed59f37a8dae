"""Every operation of the client as a flow: which requests, in which order, and what their answers mean."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from service.client._architectures import OnnxSource
from service.client._errors import ConnectionFailed, UnexpectedAnswer
from service.client._jobs import ProgressCallback, fetch_job, job_path, json_object, parse, run_job
from service.client._many import Many, merge_embeddings, merge_rankings, with_places
from service.client._results import (
    FineTuningResult,
    FittedPredictor,
    Health,
    Job,
    Model,
    Progress,
    Ranking,
    SearchResult,
)
from service.client._retry import RetryPolicy, problem_of, reason_of, send
from service.client._transfer import Deadline, Download, Flow, Request
from service.client.fine_tuned import FineTuned
from service.client.weights import PredictedWeights
from service.contract.many import Distance, Order, Unconnected
from service.contract.predict import Dtype
from service.contract.results import Comparison, Embeddings, PredictionResult, WeightsFile
from service.kit.field_messages import sentence
from service.kit.json_types import JsonObject

Output = Literal["tiles", "safetensors", "npz"]
ResultT = TypeVar("ResultT", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What every operation needs: how often to retry, how long it may take, whom to tell."""

    policy: RetryPolicy
    deadline: Deadline
    progress: ProgressCallback | None = None


def predict_weights(
    call: Call,
    architecture: Mapping[str, Any],
    *,
    model: str,
    dtype: Dtype,
    output: Output,
    include_classifier: bool,
    source_onnx: OnnxSource | None,
) -> Flow[PredictedWeights]:
    # Equal requests share one computation, so repeating this one is harmless.
    request = Request(
        "POST",
        "/predict-weights",
        json={
            "architecture": architecture,
            "model": model,
            "dtype": dtype,
            "output": output,
            "include_classifier": include_classifier,
        },
    )
    answer = yield from run_job(request, call.policy, call.deadline, call.progress)
    result = _validate(PredictionResult, answer, "the result of predict-weights")
    body = yield from download(call, result.weights)
    return PredictedWeights.from_download(
        body, output=output, dtype=dtype, result=result, source_onnx=source_onnx
    )


def download(call: Call, file: WeightsFile) -> Flow[bytearray]:
    """The weights file, checked against its size and checksum; a broken download goes on where it stopped."""
    expected = file.size

    def on_bytes(done: int, total: int | None) -> None:
        if call.progress is not None:
            call.progress(Progress(done=done, total=total or expected, message="downloading"))

    sink = Download(on_bytes)
    yield from send(Request("GET", file.url, sink=sink), call.policy, call.deadline)
    if expected is not None and len(sink.body) != expected:
        raise UnexpectedAnswer(f"the weights file has {len(sink.body)} bytes instead of {expected}")
    if file.sha256 is not None and hashlib.sha256(sink.body).hexdigest() != file.sha256:
        raise UnexpectedAnswer("the weights file is damaged: its SHA-256 is not the one announced")
    return sink.body


def rank_architectures(
    call: Call,
    many: Many,
    *,
    predictor: str | None,
    property: str | None,
    order: Order | None,
    unconnected: Unconnected,
    top_k: int | None,
    on_images: Mapping[str, Any],
) -> Flow[Ranking]:
    question = {
        "predictor": predictor,
        "property": property,
        "order": order,
        "unconnected": unconnected,
        "top_k": top_k,
        **on_images,
    }
    answers = yield from _over_parts(call, "rank", many, question)
    parts = [(part, _validate(Ranking, answer, "the ranking")) for part, answer in answers]
    return merge_rankings(many, parts, order=order, top_k=top_k)


def embed_architectures(call: Call, many: Many, *, model: str | None) -> Flow[Embeddings]:
    answers = yield from _over_parts(call, "embed", many, {"model": model})
    parts = [(part, _validate(Embeddings, answer, "the embeddings")) for part, answer in answers]
    return merge_embeddings(many, parts)


def compare_architectures(
    call: Call, many: Many, *, model: str | None, by: Distance
) -> Flow[Comparison]:
    question = {"model": model, "by": None if by == "embedding" else by}
    answer = yield from _over(call, "compare", many, question)
    return with_places(many, _validate(Comparison, answer, "the comparison"))


def _over_parts(
    call: Call, verb: str, many: Many, question: Mapping[str, Any]
) -> Flow[list[tuple[Many, JsonObject]]]:
    answers = []
    for part in many.parts():
        answers.append((part, (yield from _over(call, verb, part, question))))
    return answers


def _over(call: Call, verb: str, many: Many, question: Mapping[str, Any]) -> Flow[JsonObject]:
    """One request over many architectures. Options that nobody chose are left to the service."""
    chosen = {name: value for name, value in question.items() if value is not None}
    request = Request("POST", f"/{verb}-architectures", content=many.body(chosen))
    return (yield from run_job(request, call.policy, call.deadline, call.progress))


def list_models(call: Call) -> Flow[list[Model]]:
    response = yield from send(Request("GET", "/models"), call.policy, call.deadline)
    items = json_object(response).get("models", [])
    return [_validate(Model, item, "a model") for item in items]


def get_model(call: Call, name: str) -> Flow[Model]:
    response = yield from send(Request("GET", f"/models/{quote(name, safe='')}"), call.policy, call.deadline)
    return parse(Model, response)


def describe_model(call: Call, name: str, description: str) -> Flow[Model]:
    request = Request("PATCH", f"/models/{quote(name, safe='')}", json={"description": description})
    return parse(Model, (yield from send(request, call.policy, call.deadline)))


def remove_model(call: Call, name: str) -> Flow[None]:
    request = Request("DELETE", f"/models/{quote(name, safe='')}")
    yield from send(request, call.policy, call.deadline)


def get_job(call: Call, job_id: str) -> Flow[Job]:
    return (yield from fetch_job(quote(job_id, safe=""), call.policy, call.deadline))


def cancel_job(call: Call, job_id: str) -> Flow[Job]:
    request = Request("DELETE", job_path(quote(job_id, safe="")))
    response = yield from send(request, call.policy, call.deadline)
    return parse(Job, response)


def create_training_job(
    call: Call, kind: str, name: str | None, config: Mapping[str, Any], idempotency_key: str | None
) -> Flow[Job]:
    response = yield from send(
        _training_request(kind, name, config, idempotency_key), call.policy, call.deadline
    )
    return parse(Job, response)


def fit_predictor(
    call: Call, name: str, options: Mapping[str, Any], *, replace: bool
) -> Flow[FittedPredictor]:
    chosen = {option: value for option, value in options.items() if value is not None}
    request = _training_request("predictor", name, chosen, None, replace=replace)
    answer = yield from run_job(request, call.policy, call.deadline, call.progress)
    return _validate(FittedPredictor, answer, "the fitted predictor")


def fine_tune(
    call: Call, name: str | None, options: Mapping[str, Any], source_onnx: OnnxSource | None
) -> Flow[FineTuned]:
    chosen = {option: value for option, value in options.items() if value is not None}
    request = _training_request("finetune", name, chosen, None)
    answer = yield from run_job(request, call.policy, call.deadline, call.progress)
    result = _validate(FineTuningResult, answer, "the result of the fine-tuning")
    body = yield from download(call, result.weights)
    return FineTuned(body, result, source_onnx)


def search(call: Call, options: Mapping[str, Any]) -> Flow[SearchResult]:
    chosen = {name: value for name, value in options.items() if value is not None}
    request = _training_request("search", None, chosen, None)
    answer = yield from run_job(request, call.policy, call.deadline, call.progress)
    return _validate(SearchResult, answer, "the result of the search")


def _training_request(
    kind: str,
    name: str | None,
    config: Mapping[str, Any],
    idempotency_key: str | None,
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


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, newest first, and the cursor of the next page (None at the end)."""

    jobs: list[Job]
    next_cursor: str | None


def list_jobs_page(
    call: Call, path: str, *, kind: str | None, limit: int, cursor: str | None
) -> Flow[JobPage]:
    params: dict[str, str | int] = {"limit": limit}
    if kind is not None:
        params["kind"] = kind
    if cursor is not None:
        params["cursor"] = cursor
    response = yield from send(Request("GET", path, params=params), call.policy, call.deadline)
    document = json_object(response)
    jobs = [_validate(Job, item, "a job") for item in document.get("jobs", [])]
    cursor = document.get("next_cursor")
    return JobPage(jobs, None if cursor is None else str(cursor))


def health(call: Call) -> Flow[Health]:
    """Ready or not; a 503 from /readyz is an answer here, not an error."""
    try:
        response = yield Request("GET", "/readyz", read_timeout_seconds=10.0)
    except httpx.RequestError as error:
        raise ConnectionFailed(f"GET /readyz: {reason_of(error)}") from error
    if response is None:
        raise TypeError("a request was answered with nothing")
    if response.status_code not in (200, 503):
        raise problem_of(response)
    document = json_object(response)
    checks = document.get("checks")
    return Health(
        **{
            **document,
            "ready": response.status_code == 200,
            "checks": checks if isinstance(checks, dict) else {},
        }
    )


def _validate(model: type[ResultT], document: Any, what: str) -> ResultT:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise UnexpectedAnswer(
            f"{what} is not what this client understands: {sentence(where, first)}"
        ) from error
