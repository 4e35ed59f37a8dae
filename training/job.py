"""What a training is told beside its options, whoever runs it: a worker, or the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.settings import Settings

# What came of it; None when a signal came first. A model as it was then is left all the same.
Result = dict[str, Any] | None
Report = Callable[[dict[str, Any]], None]


def silent(record: dict[str, Any]) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """name: of the model that comes out, in `folder/model`; None where none does. folder: of the run, which
    goes on from what it holds. report: gets every record of `metrics.jsonl`. processes: how many share the
    work, where they can; None for as many as suit.
    """

    name: str | None
    folder: Path
    settings: Settings
    report: Report = silent
    processes: int | None = None
