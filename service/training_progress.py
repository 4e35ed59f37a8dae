"""What a training is at, in words, from a record of its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

# A line of `metrics.jsonl`: its `kind` (data, stage, pulse, train, validation, or a start) says which fields.
Record: TypeAlias = Mapping[str, Any]

STARTS = ("predicted", "random")


def progress_text(record: Record) -> str:
    """Such as: reading the images; predicted start, epoch 2 of 5; step 60."""
    if "stage" in record:
        return str(record["stage"])
    if "epoch" not in record:
        return f"step {record['step']}" if "step" in record else ""
    start = record.get("start", record.get("kind"))
    epoch = f"epoch {record['epoch']}" + (f" of {record['epochs']}" if "epochs" in record else "")
    return f"{start} start, {epoch}" if start in STARTS else epoch
