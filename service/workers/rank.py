"""Jobs over many architectures: rank, embed, compare. Plain functions: no Celery, no Redis.

A payload holds `architectures` (artifact name of the documents, one JSON text a line) and what was asked:
predictor, predictor_digest, property, order, top_k; or model, model_digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import ServiceError
from service.graph_io.archgraph import ArchGraph
from service.graph_io.json_text import parse_json
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits
from service.graph_io.read import decode_onnx, read_architecture
from service.predictors.ranking import Candidate, Ranker, find_ranker, rank, skipped_entry
from service.settings import Settings
from service.workers.runtime import Report, Runtime

# So many networks are embedded in one pass: large enough for matrix products, small enough for memory.
EMBED_BATCH = 8
_TELL_EVERY = 50
_SIGNIFICANT = 7


def run_rank(runtime: Runtime, payload: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """The answer of `predictors.ranking.rank`. Errors: UnknownModel, InvalidRequest; JobCancelled."""
    report(0, 1, "loading the predictor")
    ranker = _ranker(payload["predictor"], payload["predictor_digest"], payload["property"], runtime.settings)
    candidates = list(_candidates(runtime, payload))

    def tell(done: int) -> None:
        if done % _TELL_EVERY == 0 or done == len(candidates):
            report(done, len(candidates), "reading the architectures")

    return rank(candidates, ranker, top_k=payload["top_k"], order=payload["order"], report=tell)


@lru_cache(maxsize=4)
def _ranker(name: str | None, digest: str | None, wanted: str | None, settings: Settings) -> Ranker:
    """Fitted once for many jobs. digest: a predictor that was fitted anew is another one."""
    return find_ranker(name, wanted, read=lambda document: read_document(document, settings))


def run_embed(runtime: Runtime, payload: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """`{"model", "width", "embeddings", "indices", "skipped"}`: a vector for each architecture that could be
    read; `indices` are their places in what was sent.
    """
    name, indices, vectors, skipped = _embed(runtime, payload, report)
    return {
        "model": name,
        "width": int(vectors.shape[1]),
        "embeddings": [[_rounded(value) for value in vector] for vector in vectors],
        "indices": indices,
        "skipped": skipped,
    }


def run_compare(runtime: Runtime, payload: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """`{"model", "distances", "indices", "skipped"}`: Euclidean distances between all pairs of embeddings
    (GHN-2 paper, appendix C.2.4).
    """
    name, indices, vectors, skipped = _embed(runtime, payload, report)
    wide = vectors.astype(np.float64)
    distances = [np.sqrt(((wide - vector) ** 2).sum(axis=1)) for vector in wide]
    return {
        "model": name,
        "distances": [[_rounded(value) for value in row] for row in distances],
        "indices": indices,
        "skipped": skipped,
    }


def read_document(document: Any, settings: Settings) -> ArchGraph:
    """An architecture of any format, under this service's limits; ONNX files apart from this process where
    they could harm it.
    """
    limits = GraphLimits(
        max_bytes=settings.max_body_bytes,
        max_nodes=settings.max_nodes,
        max_edges=max(DEFAULT_LIMITS.max_edges, 5 * settings.max_nodes),
        max_parameters=settings.max_parameters,
    )
    if isinstance(document, Mapping) and document.get("format") == "onnx":
        from service.graph_io.sandbox import read_onnx_isolated

        return read_onnx_isolated(decode_onnx(document.get("data"), limits=limits), limits)
    return read_architecture(document, limits=limits, torchvision=_torchvision)


def _torchvision(name: str, *, num_classes: int | None, image_size: int | None) -> ArchGraph:
    from service.graph_io.torch_tracer import trace_torchvision

    return trace_torchvision(name, num_classes=num_classes, image_size=image_size)


def _candidates(runtime: Runtime, payload: Mapping[str, Any]) -> Iterator[Candidate]:
    limits = GraphLimits(max_bytes=runtime.settings.max_body_bytes)
    for index, line in enumerate(runtime.uploaded(payload["architectures"]).split(b"\n")):
        document: Any
        try:
            document = parse_json(line, limits=limits)
        except ServiceError as error:
            document = error
        yield Candidate(index, document)


def _embed(
    runtime: Runtime, payload: Mapping[str, Any], report: Report
) -> tuple[str, list[int], NDArray[np.float32], list[dict[str, Any]]]:
    """Name of the model, indices, embeddings (networks, width), and what was skipped."""
    report(0, 1, "loading the model")
    model = runtime.models.get(payload["model"], payload.get("model_digest"))
    candidates = list(_candidates(runtime, payload))
    indices: list[int] = []
    graphs: list[ArchGraph] = []
    skipped: list[dict[str, Any]] = []
    parts = [model.embed([])]
    for done, candidate in enumerate(candidates, start=1):
        try:
            if isinstance(candidate.document, ServiceError):
                raise candidate.document
            graphs.append(read_document(candidate.document, runtime.settings))
            indices.append(candidate.index)
        except ServiceError as error:
            skipped.append(skipped_entry(candidate, error))
        if len(graphs) == EMBED_BATCH or (graphs and done == len(candidates)):
            parts.append(model.embed(graphs))
            graphs = []
            report(done, len(candidates), "embedding")
    return model.card.name, indices, np.concatenate(parts), skipped


def _rounded(value: Any) -> float:
    """To what float32 holds: shorter as text."""
    return float(f"{float(value):.{_SIGNIFICANT}g}")
