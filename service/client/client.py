"""The synchronous client. What happens and in which order is decided in `_logic`; here it is carried out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar

import httpx

from service.client import _logic
from service.client._architectures import Architecture, encode
from service.client._jobs import ProgressCallback, result_of, wait_until_final
from service.client._logic import Dtype, Output, TrainingKind
from service.client._many import (
    FailedTrainings,
    FitFeatures,
    Order,
    Unconnected,
    encode_many,
    encode_observations,
)
from service.client._results import (
    Comparison,
    Embeddings,
    FittedPredictor,
    Health,
    Job,
    JobEvent,
    Model,
    Ranking,
    SearchResult,
)
from service.client._retry import RetryPolicy
from service.client._session import DEFAULT_TIMEOUT_SECONDS, DEFAULT_URL, Session, parse_base_url
from service.client._transfer import Flow, Pause, Request
from service.client.fine_tuned import FineTuned
from service.client.weights import PredictedWeights
from service.extras import check_installed

T = TypeVar("T")


class Client:
    """A connection to a Weightcast service. Threads may share one.

    >>> with Client("http://127.0.0.1:8000") as client:
    ...     weights = client.predict_weights("torchvision:resnet50")
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
        retry: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """timeout: seconds that one call may take in all, retries and waiting for the job included; None: no
            limit.
        transport: how requests travel; for tests and special networks.
        """
        self._session = Session(
            base_url=parse_base_url(base_url),
            api_key=api_key,
            policy=retry or RetryPolicy(),
            timeout_seconds=timeout,
        )
        self._http = httpx.Client(transport=transport)

    @classmethod
    def local(cls) -> Client:
        """A client that does the work in this process, without any service: `predict_weights`,
        `rank_architectures` and `models`, with the answers and errors of a service. The rest raises NotFound.

        Models are those of this machine (`weightcast models list`); timeouts and progress mean nothing here.

        >>> Client.local().predict_weights(model).apply_to(model)

        Raises NotInstalled without torch (the extra `models`).
        """
        check_installed("torch")
        # The rooms that compute: a client of a service never loads them.
        from service.local.transport import ADDRESS, LocalTransport

        return cls(ADDRESS, timeout=None, retry=RetryPolicy(attempts=1), transport=LocalTransport())

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

    def predict_weights(
        self,
        model_or_graph: Architecture,
        *,
        model: str = "ghn2-cifar10",
        dtype: Dtype = "float32",
        output: Output = "tiles",
        include_classifier: bool = True,
        input_shape: Sequence[int] | None = None,
        example: Any = None,
        name: str | None = None,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> PredictedWeights:
        """Predict the weights of a network; see `encode` for what may be passed. Waits for the answer.

        output: how the numbers travel; `tiles` is the smallest, and all give the same numbers.
        input_shape: of one input without the batch axis, for a torch module whose input cannot be guessed.
        example: what a torch module is called with (a tensor, a tuple of arguments, a dictionary of keyword
            arguments), for one with several inputs; instead of `input_shape`, and never sent.
        timeout: seconds in all. progress: called with a `Progress` now and then, downloads included.

        Raises ApiError, JobFailed, JobTimeout, ConnectionFailed.
        """
        call = self._session.call(timeout, progress)
        encoded = encode(model_or_graph, input_shape=input_shape, example=example, name=name)
        return self._run(
            _logic.predict_weights(
                call,
                encoded.document,
                model=model,
                dtype=dtype,
                output=output,
                include_classifier=include_classifier,
                source_onnx=encoded.source_onnx,
            )
        )

    def rank_architectures(
        self,
        architectures: Iterable[Architecture],
        *,
        predictor: str | None = None,
        property: str | None = None,
        order: Order = "descending",
        unconnected: Unconnected = "skip",
        top_k: int | None = None,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> Ranking:
        """Order architectures by a predicted property. Ones that cannot be read are in `skipped`.

        More than 10,000 go in several requests. predictor: see `models()`; the service's default ranks
        without any training. property: refused if the predictor predicts something else. unconnected:
        whether cells whose output nothing reaches are skipped, or come behind all others without a score.
        """
        call = self._session.call(timeout, progress)
        many = encode_many(architectures)
        return self._run(
            _logic.rank_architectures(
                call,
                many,
                predictor=predictor,
                property=property,
                order=order,
                unconnected=unconnected,
                top_k=top_k,
            )
        )

    def embed_architectures(
        self,
        architectures: Iterable[Architecture],
        *,
        model: str | None = None,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> Embeddings:
        """One vector for each architecture, by a GHN; None is the service's default. More than 10,000 go in
        several requests.
        """
        call = self._session.call(timeout, progress)
        many = encode_many(architectures)
        return self._run(_logic.embed_architectures(call, many, model=model))

    def compare_architectures(
        self,
        architectures: Iterable[Architecture],
        *,
        model: str | None = None,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> Comparison:
        """Distances between the embeddings of all pairs, of up to 300 architectures."""
        call = self._session.call(timeout, progress)
        many = encode_many(architectures)
        return self._run(_logic.compare_architectures(call, many, model=model))

    def fit_predictor(
        self,
        observations: Iterable[tuple[Architecture, float | None]],
        *,
        name: str,
        property: str = "accuracy",
        features: FitFeatures = "structure",
        ghn: str | None = None,
        failed: FailedTrainings = "leave-out",
        replace: bool = False,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> FittedPredictor:
        """Fit a predictor to architectures that you have trained or measured, and wait for it. It ranks under
        `name` from then on, and says how sure it is.

        observations: (architecture, value) pairs, 7 to 20,000. property: what the values are. features: what
        to learn from: counts over the structure, embeddings by `ghn` (the service's default GHN where none is
        named), or both. failed: what becomes of trainings whose value is None, NaN or infinite: left out, or
        taken for lower or higher than all others, so that a search keeps away from what is like them.
        replace: take the place of a predictor of this name that is there.
        """
        call = self._session.call(timeout, progress)
        documents = encode_observations(observations)
        config = {
            "observations": documents,
            "property": property,
            "features": features,
            "ghn": ghn,
            "failed": failed,
        }
        return self._run(_logic.fit_predictor(call, name, config, replace=replace))

    def fine_tune(
        self,
        model_or_graph: Architecture,
        *,
        data: str,
        epochs: int | None = None,
        images: int | None = None,
        image_size: int | None = None,
        model: str | None = None,
        start: Literal["auto", "predicted", "random"] | None = None,
        head: Literal["solve", "keep"] | None = None,
        noise: float | None = None,
        compare: bool = False,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        mirror: bool | None = None,
        skip_bad: bool | None = None,
        seed: int = 0,
        name: str | None = None,
        input_shape: Sequence[int] | None = None,
        example: Any = None,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> FineTuned:
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
        encoded = encode(model_or_graph, input_shape=input_shape, example=example, runnable=True)
        options = {
            "architecture": encoded.document,
            "data": data,
            "epochs": epochs,
            "images": images,
            "image_size": image_size,
            "model": model,
            "start": start,
            "head": head,
            "noise": noise,
            "compare": compare,
            "learning_rate": learning_rate,
            "batch_size": batch_size,
            "mirror": mirror,
            "skip_bad": skip_bad,
            "seed": seed,
        }
        return self._run(_logic.fine_tune(call, name, options, encoded.source_onnx))

    def search(
        self,
        space: str,
        *,
        evaluations: int | None = None,
        seconds: float | None = None,
        predictor: str | None = None,
        order: Order = "descending",
        trade_off: str | None = None,
        max_parameters: int | None = None,
        max_multiply_adds: int | None = None,
        max_latency: float | None = None,
        latency_predictor: str | None = None,
        algorithm: Literal["evolution", "random"] = "evolution",
        seed: int = 0,
        top_k: int = 10,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> SearchResult:
        """Search a space for architectures that a predictor scores high, and wait for what it finds.

        space: nasbench201, nasbench101, nats_size, nasbench_macro, darts. predictor: as for
        `rank_architectures`. evaluations, seconds: the budget, one or both. trade_off: a second objective,
        less is better: parameters, multiply_adds, or the name of a predictor. max_*: what is allowed.
        """
        options = {
            "space": space,
            "evaluations": evaluations,
            "seconds": seconds,
            "predictor": predictor,
            "order": order,
            "trade_off": trade_off,
            "max_parameters": max_parameters,
            "max_multiply_adds": max_multiply_adds,
            "max_latency": max_latency,
            "latency_predictor": latency_predictor,
            "algorithm": algorithm,
            "seed": seed,
            "top_k": top_k,
        }
        return self._run(_logic.search(self._session.call(timeout, progress), options))

    def models(self, *, timeout: float | None = None) -> list[Model]:
        """Every checkpoint that the service can use."""
        return self._run(_logic.list_models(self._session.call(timeout)))

    def model(self, name: str, *, timeout: float | None = None) -> Model:
        """One checkpoint's record. Raises NotFound."""
        return self._run(_logic.get_model(self._session.call(timeout), name))

    def describe_model(self, name: str, description: str, *, timeout: float | None = None) -> Model:
        """Say what a model of your own is for. Raises NotFound, and Conflict for one of the package."""
        call = self._session.call(timeout)
        return self._run(_logic.describe_model(call, name, description))

    def remove_model(self, name: str, *, timeout: float | None = None) -> None:
        """Remove a model of your own. Raises NotFound, and Conflict for one of the package."""
        self._run(_logic.remove_model(self._session.call(timeout), name))

    def job(self, job_id: str, *, timeout: float | None = None) -> Job:
        """A job's present state. Raises NotFound, also when its record has expired."""
        return self._run(_logic.get_job(self._session.call(timeout), job_id))

    def wait_for_job(
        self,
        job: Job | str,
        *,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
        check: bool = True,
    ) -> Job:
        """Wait until a job has ended. Raises JobFailed or JobCancelled unless `check` is false, and
        JobTimeout.
        """
        call = self._session.call(timeout, progress)
        current = self._run(_logic.get_job(call, job)) if isinstance(job, str) else job
        final = self._run(wait_until_final(current, call.policy, call.deadline, call.progress))
        if check:
            result_of(final)
        return final

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

    def cancel_job(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Ask a queued or running job to stop. Raises Conflict if it has ended."""
        return self._run(_logic.cancel_job(self._session.call(timeout), job_id))

    def create_training_job(
        self,
        kind: TrainingKind,
        name: str | None,
        config: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Job:
        """Start training, or a search (which needs no name). Returns at once; follow it with `job_events` or
        `wait_for_job`.

        idempotency_key: two calls with the same key start one job; by default each has its own.
        """
        call = self._session.call(timeout)
        return self._run(_logic.create_training_job(call, kind, name, config or {}, idempotency_key))

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
            page = self._run(_logic.list_jobs_page(call, path, kind=kind, limit=page_size, cursor=cursor))
            yield from page.jobs
            cursor = page.next_cursor
            if cursor is None:
                return

    def health(self, *, timeout: float | None = None) -> Health:
        """Whether the service can take work; one try, no retries. Raises ConnectionFailed if nothing
        answers.
        """
        return self._run(_logic.health(self._session.call(timeout)))

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
