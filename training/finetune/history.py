"""What a fine-tuning has measured, by start and epoch, in a file that appears whole."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from service.kit.whole_file import write_whole

Record = dict[str, Any]


class History:
    """seconds: how long it all took, over every stretch of the run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: dict[str, dict[str, Record]] = {}
        before = 0.0
        if path.exists():
            document = json.loads(path.read_text())
            self._records, before = document["records"], document["seconds"]
        self._started = time.monotonic() - before

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def epochs(self) -> int:
        """Trained so far, by all starts together."""
        return sum(max(0, len(records) - 1) for records in self._records.values())

    def of(self, kind: str) -> list[Record]:
        """By epoch."""
        return sorted(self._records.get(kind, {}).values(), key=lambda record: record["epoch"])

    def best(self, kind: str) -> Record:
        """The epoch that did best on validation images; the first of equals."""
        return max(self.of(kind), key=quality)

    def add(self, kind: str, record: Record) -> None:
        """An epoch that is trained again after a crash takes the place of its first time."""
        self._records.setdefault(kind, {})[str(record["epoch"])] = record
        self.keep()

    def keep(self) -> None:
        write_whole(self._path, json.dumps({"records": self._records, "seconds": self.seconds}))


def quality(record: Record) -> tuple[float, float]:
    """What epochs and starts are chosen by: accuracy on validation images, then their loss."""
    return record["validation_accuracy"], -record["validation_loss"]
