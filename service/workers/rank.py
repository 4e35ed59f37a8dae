"""Jobs over many architectures: rank, embed, compare. Plain functions: no Celery, no Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from service import tracing
from service.contract.many import CompareOptions, ManyPayload, RankOptions
from service.contract.reading import read
from service.contract.results import Comparison, Embeddings, Ranking
from service.documents import read_document
from service.errors import ServiceError
from service.graph_io.short_texts import parse_line
from service.graph_limits import limits_of
from service.kit.pacing import Report, paced
from service.predictors.features.architectures import Reader
from service.predictors.rankers.ranking import Candidate, Ranker, find_ranker, rank
from service.predictors.similarity import Key, Vectors, compared_by_embedding, compared_by_nodes, embeddings
from service.settings import Settings
from service.stages import Stopwatch
from service.workers.memory import RememberingRanker, document_key
from service.workers.runtime import Runtime

if TYPE_CHECKING:
    from service.ghn.registry import LoadedModel


def run_rank(runtime: Runtime, payload: ManyPayload, report: Report) -> Ranking:
    """The answer of `rankers.ranking.rank`, with `timings_ms`: model, parse, score.

    Errors: UnknownModel, InvalidRequest; JobCancelled.
    """
    watch, settings = Stopwatch(tracing.span), runtime.settings
    options = read(RankOptions, payload["options"])
    report(0, 1, "loading the predictor")
    with watch.stage("model"):
        ranker = (
            _ranker(options.predictor, payload["model_digest"], options.property, settings)
            if options.data is None
            else _image_ranker(options, settings)
        )
    lines = _lines(runtime, payload)
    with watch.running():
        answer = rank(
            _candidates(lines, settings),
            ranker,
            top_k=options.top_k,
            order=options.order,
            unconnected=options.unconnected,
            report=_progress(report, len(lines), "reading the architectures"),
        )
    return answer.model_copy(update={"timings_ms": watch.timings_ms()})


@lru_cache(maxsize=4)
def _ranker(name: str | None, digest: str | None, property: str | None, settings: Settings) -> Ranker:
    """Fitted once for many jobs. digest: a predictor that was fitted anew is another one."""
    return RememberingRanker(
        find_ranker(name, property, read=lambda document: read_document(document, settings))
    )


def _image_ranker(options: RankOptions, settings: Settings) -> Ranker:
    """Not kept: images of a folder may be others the next time. Errors: UnknownModel, InvalidRequest."""
    from training.data.served import data_set
    from training.evaluate.search_images import SearchImages

    images = SearchImages.load(
        data_set(str(options.data), settings), settings.data_dir, settings,
        skip_bad=options.skip_bad,
        images=options.images,
        read=lambda document: read_document(document, settings, runnable=True),
    )  # fmt: skip
    return images.ranker(str(options.predictor))


def run_embed(runtime: Runtime, payload: ManyPayload, report: Report) -> Embeddings:
    """A vector for each architecture that could be read. Stages: model, parse, embed."""
    watch = Stopwatch()
    model, memory = _embedder(runtime, payload, report, watch)
    lines = _lines(runtime, payload)
    return embeddings(
        _candidates(lines, runtime.settings), model, _reader(runtime),
        watch=watch, memory=memory, report=_progress(report, len(lines), "embedding"),
    )  # fmt: skip


def run_compare(runtime: Runtime, payload: ManyPayload, report: Report) -> Comparison:
    """Distances between all pairs. Stages: model, parse, embed, compare; by nodes, parse and compare."""
    watch = Stopwatch()
    if read(CompareOptions, payload["options"]).by == "nodes":
        lines = _lines(runtime, payload)
        return compared_by_nodes(
            _candidates(lines, runtime.settings), _reader(runtime),
            watch=watch, report=_progress(report, len(lines), "reading the architectures"),
        )  # fmt: skip
    model, memory = _embedder(runtime, payload, report, watch)
    lines = _lines(runtime, payload)
    return compared_by_embedding(
        _candidates(lines, runtime.settings), model, _reader(runtime),
        watch=watch, memory=memory, report=_progress(report, len(lines), "embedding"),
    )  # fmt: skip


def _embedder(
    runtime: Runtime, payload: ManyPayload, report: Report, watch: Stopwatch
) -> tuple[LoadedModel, _Memory]:
    report(0, 1, "loading the model")
    with watch.stage("model"):
        model = runtime.models.get(payload["options"]["model"], payload["model_digest"])
    return model, _Memory(runtime, model.card.digest)


@dataclass(frozen=True, slots=True)
class _Memory:
    """What the worker remembers of a model's vectors."""

    runtime: Runtime
    digest: str

    def key(self, document: Any) -> Key:
        return self.digest, document_key(document)

    def get(self, key: Key) -> Vectors | None:
        return self.runtime.embeddings.get(key)

    def put(self, key: Key, vector: Vectors) -> None:
        self.runtime.embeddings.put(key, vector)


def _reader(runtime: Runtime) -> Reader:
    return lambda document: read_document(document, runtime.settings)


def _progress(report: Report, total: int, message: str) -> Callable[[int], None]:
    tell = paced(report)
    return lambda done: tell(done, total, message)


def _lines(runtime: Runtime, payload: ManyPayload) -> list[bytes]:
    return runtime.uploaded(payload["architectures"]).split(b"\n")


def _candidates(lines: list[bytes], settings: Settings) -> Iterator[Candidate]:
    """One after another: parsed, a line with a graph takes ten times the memory of its text."""
    limits = limits_of(settings)
    for index, line in enumerate(lines):
        document: Any
        try:
            document = parse_line(line, limits=limits)
        except ServiceError as error:
            document = error
        yield Candidate(index, document)
