"""Training one network for a job. No model comes out: the weights become an artifact."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import torch

from service.contract.finetune import FineTuneOptions
from service.documents import read_document
from service.errors import ServiceError
from service.graph_io.read import format_of, onnx_data
from service.graph_limits import limits_of
from service.kit.cores import usable_cores
from service.settings import Settings
from service.store.object_store import open_artifacts
from training.finetune.config import tuning
from training.finetune.run import WEIGHTS, run
from training.job import Result, TrainingJob


def train(options: FineTuneOptions, job: TrainingJob) -> Result:
    """Train to the last epoch, and tell what came of it and where the weights lie; None when SIGTERM came
    first.

    Raises what the readers raise; InvalidRequest for a network that does not fit the data; UnknownModel;
    InvalidInput for images that cannot be read.
    """
    settings, document = job.settings, options.architecture
    try:
        graph = read_document(document, settings, runnable=True)
    except ServiceError as error:
        error.place_in("architecture")
        raise
    config = tuning(options, options.model or settings.default_model, data_dir=str(settings.data_dir))
    torch.set_num_threads(settings.threads or usable_cores())
    is_onnx = format_of(document) == "onnx"
    source = (onnx_data(document, limits=limits_of(settings)), None) if is_onnx else None
    result = run(
        graph, config, job.folder,
        cache_dir=settings.home / "cache", on_progress=job.report, source=source,
    )  # fmt: skip
    return None if result is None else {**_published(job.folder / WEIGHTS, settings), **result}


def _published(file: Path, settings: Settings) -> dict[str, Any]:
    """The weights as an artifact named by their content."""
    with file.open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()
        weights.seek(0)
        artifact = open_artifacts(settings).put_file(
            f"{digest}.safetensors", lambda target: shutil.copyfileobj(weights, target)
        )
    described = {"url": f"/weights/{artifact.name}", "size": artifact.size, "sha256": artifact.sha256}
    return {"digest": digest, "weights": described}
