"""A trainer as a subprocess, and the folder through which it talks."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import structlog

from service.kit.json_types import JsonObject
from service.parent_death import wrapped

log = structlog.get_logger("weightcast.training")


def start(command: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    """In a process group of its own, and gone when this process is gone."""
    return subprocess.Popen(
        wrapped(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def stop(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """SIGTERM, then after `grace_seconds` SIGKILL to the whole group. Returns when the process is gone."""
    if process.poll() is None and grace_seconds > 0:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            log.warning("training.did_not_stop", seconds=grace_seconds)
    try:
        os.killpg(process.pid, signal.SIGKILL)  # helpers that the trainer left behind
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


class MetricsTail:
    """New lines of metrics.jsonl, each told once over all segments: how far it was told is kept beside it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "metrics.jsonl"
        self._mark = folder / "metrics.told"

    def new(self) -> Iterator[JsonObject]:
        """Whole lines that were not told yet, non-finite numbers as null."""
        position = self._position()
        try:
            with self._path.open("rb") as file:
                file.seek(position)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]  # the last line may still be being written
        if not whole:
            return
        for line in whole.splitlines():
            try:
                values = json.loads(line)
            except ValueError:
                continue
            if isinstance(values, dict):
                yield finite(values)
        self._mark.write_text(str(position + len(whole)))

    def _position(self) -> int:
        try:
            return min(int(self._mark.read_text()), self._path.stat().st_size)
        except (FileNotFoundError, ValueError):
            return 0


def finite(value: Any) -> Any:
    """The same document with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> JsonObject | None:
    """The document, None when there is none."""
    try:
        document = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return finite(document) if isinstance(document, dict) else None


def last_lines(path: Path, count: int) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []
