"""A worker without torch: takes messages from the real queue, answers with made-up numbers."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import Any

import numpy as np
import redis
from safetensors.numpy import save

from service.contract.predict import EXTENSIONS
from service.errors import InvalidArchitecture, ServiceError
from service.graph_io.json_reader import read_json_graph
from service.settings import Settings
from service.store.artifacts import ArtifactStore
from service.store.cache import ResultCache
from service.store.connection import connect, connect_cache
from service.store.jobs import JobStore
from service.store.records import Job
from service.store.workers import WorkerInfo, WorkerRegistry
from service.weights.blocks import Block, Provenance, WeightBlocks
from service.weights.formats import write_weights

# Answers to jobs of which it understands nothing.
WITHOUT_WORK: dict[str, dict[str, Any]] = {
    "rank": {"property": "accuracy", "predictor": "structure", "ranking": [], "skipped": []},
    "embed": {"model": "fake", "width": 0, "embeddings": [], "indices": [], "skipped": []},
    "compare": {"model": "fake", "distances": [], "indices": [], "skipped": []},
    "training": {"model": "fake", "kind": "predictor"},
}
TORCHVISION_NAMES = ("resnet18", "resnet50")


class FakeWorker:
    """Serves the queue `predict` in a thread, and `rank` where a test announces it, or all `queues` it names.

    seconds: how long each job takes. look_seconds: how often it looks whether a job is cancelled.
    fails_with: a problem document that every job ends with.
    runs: how often each digest was computed.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.jobs = JobStore.from_settings(settings)
        self.artifacts = ArtifactStore(settings.artifact_dir)
        self.cache = ResultCache(connect_cache(settings))
        self.registry = WorkerRegistry(connect(settings))
        self.info = WorkerInfo(queue="predict", name="fake:1")
        self.queues = ["predict", "rank"]
        self.seconds = 0.0
        self.look_seconds = 0.01
        self.fails_with: dict[str, Any] | None = None
        self.runs: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> FakeWorker:
        self.registry.announce(self.info, 600)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(10)
        self.registry.withdraw(self.info)

    def leave(self) -> None:
        """No longer be there, as far as others can see."""
        self.registry.withdraw(self.info)

    def _serve(self) -> None:
        client = redis.Redis.from_url(str(self.settings.redis_url), decode_responses=True)
        while not self._stopping.is_set():
            message = client.brpop(self.queues, timeout=0.1)
            if message is not None:
                self._run(json.loads(message[1])["headers"]["id"])

    def _run(self, job_id: str) -> None:
        token = f"fake-{job_id}"
        job = self.jobs.get(job_id)
        self.jobs.redis.set(f"wc:lease:{job_id}", token, ex=60)
        if job is None or self.jobs.begin(job_id, token) == 0:
            return
        deadline = time.monotonic() + self.seconds
        self.jobs.progress(job_id, 1, 2, "predicting", token=token)
        while time.monotonic() < deadline and not self._stopping.is_set():
            if self.jobs.is_cancelled(job_id):
                self.jobs.cancelled(job_id, token)
                return
            time.sleep(self.look_seconds)
        try:
            result = self._work(job)
        except ServiceError as error:
            self.jobs.fail(job_id, error.problem(), token)
            return
        if self.fails_with is not None:
            self.jobs.fail(job_id, self.fails_with, token)
            return
        self.cache.put(job.key, result)
        self.jobs.finish(job_id, result, token)

    def _work(self, job: Job) -> dict[str, Any]:
        payload = job.payload
        if payload.get("kind") == "finetune":
            return self._tuned(payload)
        if job.kind in WITHOUT_WORK:
            return WITHOUT_WORK[job.kind]
        self.runs[payload["digest"]] += 1
        if payload["torchvision"] is not None:
            if payload["torchvision"]["name"] not in TORCHVISION_NAMES:
                raise InvalidArchitecture("torchvision has no such network.", field="/name")
            shapes: dict[str, tuple[int, ...]] = {"conv.weight": (4, 3, 1, 1)}
        else:
            graph = read_json_graph(json.loads(self.artifacts.read_bytes(payload["graph"])))
            shapes = {parameter.name: parameter.shape for parameter in graph.parameters()}
        weights = WeightBlocks(
            {
                name: Block(np.full(shape, 0.5, np.float32), shape, 1.0, None, Provenance.PREDICTED)
                for name, shape in shapes.items()
            },
            payload["model"],
            payload["model_digest"],
        )
        name = f"{payload['digest']}.{EXTENSIONS[payload['output']]}"
        if payload["output"] == "onnx":
            artifact = self.artifacts.put_bytes(name, self.artifacts.read_bytes(payload["source_onnx"]))
        else:
            artifact = self.artifacts.put_file(
                name,
                lambda file: write_weights(file, weights, output=payload["output"], dtype=payload["dtype"]),
            )
        return {
            "digest": payload["digest"],
            "model": payload["model"],
            "cached": False,
            "num_tensors": len(weights.blocks),
            "num_parameters": weights.num_parameters,
            "complete": True,
            "coverage": 1.0,
            "defaulted": [],
            "weights": {"url": f"/weights/{name}", "size": artifact.size, "sha256": artifact.sha256},
            "timings_ms": {"total": 1.0},
        }

    def _tuned(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Parameters of one half, and made-up measurements."""
        graph = read_json_graph(json.loads(self.artifacts.read_bytes(payload["graph"])))
        tensors = {p.name: np.full(p.shape, 0.5, np.float32) for p in graph.parameters()}
        for weight in (node.params[0] for node in graph.nodes if node.op == "batch_norm"):
            for buffer in ("running_mean", "running_var"):
                tensors[f"{weight.name.removesuffix('weight')}{buffer}"] = np.ones(weight.shape, np.float32)
        data = save(tensors)
        artifact = self.artifacts.put_content(data, "safetensors")
        epochs = range(payload["config"].get("epochs", 5) + 1)
        measured = {"loss": 2.0, "training_accuracy": 10.0, "validation_accuracy": 10.0}
        return {
            "kind": "finetune",
            "digest": artifact.sha256,
            "weights": {"url": f"/weights/{artifact.name}", "size": artifact.size, "sha256": artifact.sha256},
            "parameters": graph.num_parameters,
            "history": [{"epoch": epoch, **measured} for epoch in epochs],
            "test_accuracy": 10.0,
            "data": payload["config"].get("data", "digits"),
        }
