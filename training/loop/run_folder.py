"""The folder of a training run: `config.json`, `metrics.jsonl`, `checkpoint-<step>/` (the last two),
`model/` (the result).

A checkpoint is complete or absent: it is written into a temporary folder, synced, and renamed.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from service.kit.whole_file import write_whole

_KEPT = 2


class RunFolder:
    def __init__(self, path: Path) -> None:
        self.path = path

    @staticmethod
    def is_run(path: Path) -> bool:
        """Whether the folder is a run's, as a model's has a `config.json` as well."""
        return bool(RunFolder(path).checkpoints())

    @property
    def config_file(self) -> Path:
        return self.path / "config.json"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def model_folder(self) -> Path:
        return self.path / "model"

    def checkpoints(self) -> list[Path]:
        """Oldest first."""
        folders = [path for path in self.path.glob("checkpoint-*") if path.name[11:].isdigit()]
        return sorted(folders, key=lambda path: int(path.name[11:]))

    def save(self, step: int, tensors: dict[str, Tensor], state: dict[str, Any]) -> Path:
        folder = self.path / f"checkpoint-{step}"
        if folder.exists():
            return folder
        for unfinished in self.path.glob("checkpoint-*.tmp"):
            shutil.rmtree(unfinished, ignore_errors=True)
        temporary = folder.with_suffix(".tmp")
        temporary.mkdir(parents=True)
        save_file(tensors, temporary / "tensors.safetensors")
        (temporary / "state.json").write_text(json.dumps(state, indent=2) + "\n")
        for file in temporary.iterdir():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        os.replace(temporary, folder)
        for old in self.checkpoints()[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        return folder

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The newest checkpoint, None without one."""
        folders = self.checkpoints()
        if not folders:
            return None
        state: dict[str, Any] = json.loads((folders[-1] / "state.json").read_text())
        return load_file(folders[-1] / "tensors.safetensors"), state

    def log(self, record: dict[str, Any]) -> None:
        """Append one line of metrics."""
        with self.metrics_file.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """Every line of metrics, those before a resumption included. A line that a crash cut off is none."""
        lines = self.metrics_file.read_text().splitlines() if self.metrics_file.exists() else []
        return [record for record in map(_parsed, lines) if record is not None]

    def write_config(self, config: dict[str, Any]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.config_file, json.dumps(config, indent=2) + "\n")


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return record


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint whose names begin with `prefix`, without it."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
