"""From the payload of a prediction job to a file of weights and the result object of the API.

Plain functions: no Celery, no Redis. A payload is what the API recorded with the job.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import structlog
from numpy.typing import NDArray

from service import tracing
from service.contract.predict import EXTENSIONS, PredictPayload
from service.contract.results import PredictionResult, WeightsFile
from service.documents import read_document
from service.errors import NotFound
from service.ghn.answer import check_answer, describe_answer
from service.ghn.device import free_memory, is_out_of_memory
from service.graph_io.archgraph import ArchGraph
from service.graph_io.json_reader import read_json_graph
from service.graph_io.json_writer import graph_document
from service.graph_limits import limits_of
from service.kit.lru import LRU
from service.kit.pacing import Report, paced
from service.settings import Settings
from service.stages import Stopwatch
from service.store.artifacts import Artifact
from service.store.object_store import open_artifacts
from service.weights.blocks import WeightBlocks
from service.weights.formats import write_weights
from service.workers.memory import ARCHITECTURES_KEPT
from service.workers.models import Models, limit_threads

if TYPE_CHECKING:
    from service.ghn.registry import LoadedModel

log = structlog.get_logger("weightcast.worker")

_SMALL_CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|skip_connect~2|"
STAGES = ("reading the architecture", "loading the model", "predicting", "writing the file")


class Runtime:
    """What one worker process holds between jobs: loaded models, embeddings, and the artifact folder."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.models = Models(settings.models_in_memory, settings.device)
        self.artifacts = open_artifacts(settings)
        # By digest of the model and key of the document (memory.py).
        self.embeddings: LRU[tuple[str, bytes], NDArray[np.float32]] = LRU(ARCHITECTURES_KEPT)

    def warm_up(self) -> None:
        """Import what predicting needs and load the default model.

        Errors: UnknownModel; Unavailable without the device of the settings.
        """
        import service.graph_io.torch_tracer  # noqa: F401

        limit_threads(self.settings)
        model = self.models.get(self.settings.default_model)
        if model.ghn.device.type == "cuda":
            # The first operations load libraries onto the GPU: seconds that no request should wait for.
            model.predict(read_document({"format": "nasbench201", "cell": _SMALL_CELL}, self.settings))

    def run_predict(self, payload: PredictPayload, report: Report) -> PredictionResult:
        """Predict, and write `<digest>.<extension>`.

        Errors: the user's mistakes as ServiceErrors below 500; ServiceError when the answer is not complete
        or finite.
        """
        watch = Stopwatch(tracing.span)
        tell = paced(report)
        tell(0, len(STAGES), STAGES[0])
        with watch.stage("parse"):
            graph = self.graph_of(payload)
        tell(1, len(STAGES), STAGES[1])
        with watch.stage("model"):
            model = self.models.get(payload["model"], payload.get("model_digest"))
        tell(2, len(STAGES), STAGES[2])
        with watch.running():  # the stages encode, gnn, decode
            weights = _predict(model, graph, include_classifier=payload["include_classifier"])
        with watch.stage("check"):
            check_answer(graph, weights, payload["dtype"])
        tell(3, len(STAGES), STAGES[3])
        with watch.stage("write"):
            artifact = self._write(payload, weights)
        report(len(STAGES), len(STAGES), "done")
        answer = describe_answer(
            model, weights, graph,
            from_onnx=payload.get("from_onnx", False),
            digest=payload["digest"],
            file=WeightsFile(url=f"/weights/{artifact.name}", size=artifact.size, sha256=artifact.sha256),
        )  # fmt: skip
        return answer.model_copy(update={"cached": False, "timings_ms": watch.timings_ms()})

    def graph_of(self, payload: PredictPayload) -> ArchGraph:
        """The architecture of a payload. Errors: NotFound when the uploaded graph has expired."""
        if payload["torchvision"] is not None:
            graph = read_document({"format": "torchvision", **payload["torchvision"]}, self.settings)
            if payload["traced"] is not None:
                text = json.dumps(graph_document(graph)).encode()
                self.artifacts.put_bytes(payload["traced"], text, durable=False)
            return graph
        return read_json_graph(json.loads(self.uploaded(payload["graph"])), limits=limits_of(self.settings))

    def uploaded(self, name: str | None) -> bytes:
        """What the API stored for a job. Errors: NotFound when it has expired."""
        try:
            return self.artifacts.read_bytes(name or "")
        except NotFound:
            raise NotFound("the uploaded architecture has expired", hint="send it again") from None

    def _write(self, payload: PredictPayload, weights: WeightBlocks) -> Artifact:
        output, dtype = payload["output"], payload["dtype"]
        name = f"{payload['digest']}.{EXTENSIONS[output]}"
        if output == "onnx":
            return self.artifacts.put_bytes(name, self._filled_onnx(payload, weights), durable=False)

        def write(file: BinaryIO) -> object:
            return write_weights(file, weights, output=output, dtype=dtype)

        return self.artifacts.put_file(name, write, durable=False)

    def _filled_onnx(self, payload: PredictPayload, weights: WeightBlocks) -> bytes:
        from service.graph_io.onnx_writer import fill_onnx

        return fill_onnx(self.uploaded(payload["source_onnx"]), weights.expand(payload["dtype"]))


def _predict(model: LoadedModel, graph: ArchGraph, *, include_classifier: bool) -> WeightBlocks:
    """What the model predicts; on the CPU when the GPU has no memory left, which others may be using."""
    try:
        return model.predict(graph, include_classifier=include_classifier)
    except RuntimeError as error:
        if model.ghn.device.type == "cpu" or not is_out_of_memory(error):
            raise
        log.warning("gpu.out_of_memory", device=str(model.ghn.device), detail=str(error).splitlines()[0])
    # After the handler: the error holds on to what was in memory when it was raised.
    free_memory()
    return model.on_cpu().predict(graph, include_classifier=include_classifier)
