"""What a client can ask for without a service: weights, rankings, embeddings, distances, models.

Plain functions on documents, as the HTTP interface has them. Files wait in memory until they are fetched.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from service.contract import reading as contract
from service.contract.many import CompareRequest, EmbedRequest, RankRequest
from service.contract.predict import PredictRequest
from service.contract.results import Comparison, Embeddings, PredictionResult, Ranking, WeightsFile
from service.documents import read_document
from service.errors import NotFound, UnknownModel
from service.graph_io.archgraph import ArchGraph
from service.graph_io.digest import graph_digest
from service.graph_io.entries import common_space
from service.graph_io.read import format_of
from service.models.catalog import ModelCard, find_card, list_cards
from service.settings import get_settings
from service.stages import Stopwatch
from service.weights.formats import write_weights
from service.weights.output import check_output

if TYPE_CHECKING:
    from service.ghn.registry import LoadedModel
    from service.predictors.rankers.ranking import Candidate

Document = Mapping[str, Any]


class Operations:
    """Threads may share one. GHNs that were used stay loaded."""

    def __init__(self) -> None:
        self._settings = get_settings()
        self._models: dict[str, LoadedModel] = {}
        self._files: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def predict(self, request: Document) -> PredictionResult:
        """The result of POST /predict-weights. Raises the readers' errors, UnknownModel, InvalidRequest."""
        from service.ghn.answer import check_answer, describe_answer

        options = contract.read(PredictRequest, request, where="body")
        output, dtype = options.output, options.dtype
        check_output(output, dtype)
        model = self._model(options.model or self._settings.default_model)
        graph = self._read(options.architecture)
        weights = model.predict(graph, include_classifier=options.include_classifier)
        check_answer(graph, weights, dtype)
        file = BytesIO()
        write_weights(file, weights, output=output, dtype=dtype)
        parts = (graph_digest(graph), model.card.digest, output, dtype, str(options.include_classifier))
        return describe_answer(
            model, weights, graph,
            from_onnx=format_of(options.architecture) == "onnx",
            digest=hashlib.sha256("\n".join(parts).encode()).hexdigest(),
            file=self._kept(file.getvalue()),
        )  # fmt: skip

    def rank(self, request: Document) -> Ranking:
        """The result of POST /rank-architectures. Raises UnknownModel, InvalidRequest."""
        from service.predictors.rankers.ranking import find_ranker, rank

        options = contract.read(RankRequest, request, where="body")
        return rank(
            _candidates(options.architectures),
            find_ranker(
                options.predictor,
                options.property,
                read=self._read,
                space=common_space(options.architectures),
            ),
            top_k=options.top_k,
            order=options.order,
            unconnected=options.unconnected,
        )

    def embed(self, request: Document) -> Embeddings:
        """The result of POST /embed-architectures. Raises UnknownModel, InvalidRequest."""
        from service.predictors.similarity import embeddings

        options = contract.read(EmbedRequest, request, where="body")
        model = self._model(options.model or self._settings.default_model)
        return embeddings(_candidates(options.architectures), model, self._read, watch=Stopwatch())

    def compare(self, request: Document) -> Comparison:
        """The result of POST /compare-architectures. Raises UnknownModel, InvalidRequest."""
        from service.predictors.similarity import compared_by_embedding, compared_by_nodes

        options = contract.read(CompareRequest, request, where="body")
        many, watch = _candidates(options.architectures), Stopwatch()
        if options.by == "nodes":
            return compared_by_nodes(many, self._read, watch=watch)
        model = self._model(options.model or self._settings.default_model)
        return compared_by_embedding(many, model, self._read, watch=watch)

    def models(self) -> list[ModelCard]:
        return list_cards()

    def model(self, name: str) -> ModelCard:
        try:
            return find_card(name)
        except UnknownModel as error:
            raise NotFound(error.detail) from None

    def take_file(self, name: str) -> bytes:
        """A file that an answer named, once: then it is the caller's."""
        with self._lock:
            if name not in self._files:
                raise NotFound(f"There is no file {name!r}.")
            return self._files.pop(name)

    def _kept(self, body: bytes) -> WeightsFile:
        name = uuid4().hex
        with self._lock:
            self._files[name] = body
        return WeightsFile(url=f"/weights/{name}", size=len(body))

    def _model(self, name: str) -> LoadedModel:
        from service.ghn.registry import load_model

        with self._lock:
            if name not in self._models:
                self._models[name] = load_model(name, self._settings.device)
            return self._models[name]

    def _read(self, document: Any) -> ArchGraph:
        return read_document(document, self._settings, isolate=False)


def _candidates(architectures: Iterable[Any]) -> list[Candidate]:
    from service.predictors.rankers.ranking import Candidate

    return [Candidate(index, document) for index, document in enumerate(architectures)]
