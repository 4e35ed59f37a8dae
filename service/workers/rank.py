"""Jobs over many architectures: rank, embed, compare. Plain functions: no Celery, no Redis."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service import tracing
from service.contract.many import CompareOptions, ManyPayload, RankOptions
from service.contract.reading import read
from service.contract.results import Comparison, Embeddings, Ranking, SkippedArchitecture
from service.documents import read_document
from service.errors import ServiceError
from service.graph_io.archgraph import ArchGraph
from service.graph_io.entries import read_entry
from service.graph_io.node_assignment import assignment_cost
from service.graph_io.primitives import PrimitiveGraph, to_primitives
from service.graph_io.short_texts import parse_line
from service.graph_limits import limits_of
from service.kit.pacing import Report, paced
from service.predictors.rankers.ranking import Candidate, Ranker, find_ranker, rank, skipped_entry
from service.predictors.rounding import significant
from service.settings import Settings
from service.stages import Stopwatch
from service.workers.memory import RememberingRanker, document_key
from service.workers.runtime import Runtime

# So many networks are embedded in one pass: large enough for matrix products, small enough for memory.
EMBED_BATCH = 8
_SIGNIFICANT = 7


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
    tell = paced(report)
    with watch.running():
        answer = rank(
            _candidates(lines, settings),
            ranker,
            top_k=options.top_k,
            order=options.order,
            unconnected=options.unconnected,
            report=lambda done: tell(done, len(lines), "reading the architectures"),
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
    name, indices, vectors, skipped = _embed(runtime, payload, report, watch)
    return Embeddings(
        model=name,
        width=int(vectors.shape[1]),
        embeddings=[[_rounded(value) for value in vector] for vector in vectors],
        indices=indices,
        skipped=skipped,
        timings_ms=watch.timings_ms(),
    )


def run_compare(runtime: Runtime, payload: ManyPayload, report: Report) -> Comparison:
    """Euclidean distances between all pairs of embeddings, or costs of assignments between nodes (GHN-2
    paper, appendix C.2.4). Stages: model, parse, embed, compare.
    """
    if read(CompareOptions, payload["options"]).by == "nodes":
        return _compare_nodes(runtime, payload, report)
    watch = Stopwatch()
    name, indices, vectors, skipped = _embed(runtime, payload, report, watch)
    with watch.stage("compare"):
        wide = vectors.astype(np.float64)
        distances = [np.sqrt(((wide - vector) ** 2).sum(axis=1)) for vector in wide]
    return Comparison(
        model=name,
        distances=[[_rounded(value) for value in row] for row in distances],
        indices=indices,
        skipped=skipped,
        timings_ms=watch.timings_ms(),
    )


def _compare_nodes(runtime: Runtime, payload: ManyPayload, report: Report) -> Comparison:
    watch, tell = Stopwatch(), paced(report)
    by_index: dict[int, PrimitiveGraph] = {}
    skipped: list[SkippedArchitecture] = []
    with watch.stage("parse"):
        lines = _lines(runtime, payload)
        for done, candidate in enumerate(_candidates(lines, runtime.settings), start=1):
            try:
                document = read_entry(candidate.document).document
                by_index[candidate.index] = to_primitives(read_document(document, runtime.settings))
            except ServiceError as error:
                skipped.append(skipped_entry(candidate, error))
            tell(done, len(lines), "reading the architectures")
    with watch.stage("compare"):
        distances = [
            [float(assignment_cost(one, other)) for other in by_index.values()] for one in by_index.values()
        ]
    return Comparison(
        model=None,
        distances=distances,
        indices=list(by_index),
        skipped=skipped,
        timings_ms=watch.timings_ms(),
    )


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


def _embed(
    runtime: Runtime, payload: ManyPayload, report: Report, watch: Stopwatch
) -> tuple[str, list[int], NDArray[np.float32], list[SkippedArchitecture]]:
    """Name of the model, indices, embeddings (networks, width), and what was skipped."""
    report(0, 1, "loading the model")
    with watch.stage("model"):
        model = runtime.models.get(payload["options"]["model"], payload["model_digest"])
    lines = _lines(runtime, payload)
    candidates = _candidates(lines, runtime.settings)
    tell = paced(report)
    by_index: dict[int, NDArray[np.float32]] = {}
    waiting: list[tuple[int, tuple[str, bytes], ArchGraph]] = []
    skipped: list[SkippedArchitecture] = []
    for done in range(1, len(lines) + 1):
        with watch.stage("parse"):
            candidate = next(candidates)
        try:
            document = read_entry(candidate.document).document
            key = (model.card.digest, document_key(document))
            known = runtime.embeddings.get(key)
            if known is None:
                with watch.stage("parse"):
                    graph = read_document(document, runtime.settings)
                waiting.append((candidate.index, key, graph))
            else:
                by_index[candidate.index] = known
        except ServiceError as error:
            skipped.append(skipped_entry(candidate, error))
        if len(waiting) == EMBED_BATCH or (waiting and done == len(lines)):
            with watch.stage("embed"):
                vectors = model.embed([graph for _, _, graph in waiting])
            for (index, key, _), vector in zip(waiting, vectors, strict=True):
                by_index[index] = vector
                runtime.embeddings.put(key, vector)
            waiting = []
        tell(done, len(lines), "embedding")
    indices = sorted(by_index)
    embeddings = np.stack([by_index[index] for index in indices]) if indices else model.embed([])
    return model.card.name, indices, embeddings, skipped


def _rounded(value: Any) -> float:
    """To what float32 holds: shorter as text."""
    return significant(value, _SIGNIFICANT)
