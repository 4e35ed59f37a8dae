"""The process that trains one network for a training job of the kind `finetune`. See job_process.py.

The job's configuration holds `architecture`, a document of any format, and fields of
`training.finetune.config.FineTuning`. No model comes out: the weights become an artifact.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path
from typing import Any

from service.errors import InvalidRequest, ServiceError
from service.graph_io.read import format_of, onnx_data
from service.graph_limits import limits_of
from service.settings import Settings
from service.store.object_store import open_artifacts
from service.workers.documents import read_document
from service.workers.job_process import Result, run_job
from service.workers.training_options import configured, read_options

# What a request may not set: paths of this machine.
_OURS = ("data_dir",)


def main(arguments: list[str] | None = None) -> int:
    return run_job(train, arguments)


def train(name: str | None, options: dict[str, Any], folder: Path, settings: Settings) -> Result:
    """Train to the last epoch, and tell what came of it and where the weights lie; None when SIGTERM came
    first.

    Errors: the architecture's; InvalidRequest for options, and for a network that does not fit the data;
    UnknownModel; InvalidInput for images that cannot be read.
    """
    import torch

    from training.finetune.config import FineTuning
    from training.finetune.run import WEIGHTS, run
    from training.loop.cores import usable_cores

    values = read_options(options, settings, kind="finetune", forbidden=_OURS)
    if "architecture" not in values:
        raise InvalidRequest("a fine-tuning needs an architecture", field="/architecture")
    try:
        document = values.pop("architecture")
        graph = read_document(document, settings, runnable=True)
    except ServiceError as error:
        error.place_in("architecture")
        raise
    named = {"model": settings.default_model, **values, "data_dir": str(settings.data_dir)}
    config = configured(FineTuning.from_dict, named)
    torch.set_num_threads(settings.threads or usable_cores())
    is_onnx = format_of(document) == "onnx"
    source = (onnx_data(document, limits=limits_of(settings)), None) if is_onnx else None
    found = run(graph, config, folder, cache_dir=settings.home / "cache", source=source)
    return None if found is None else {**_published(folder / WEIGHTS, settings), **found}


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


if __name__ == "__main__":
    sys.exit(main())
