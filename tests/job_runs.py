"""The process of a training job, in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from service.contract.kinds import KINDS
from service.contract.reading import dotted
from service.kit.references import resolve
from service.workers.job_process import RESULT, main


def run_job(kind: str, folder: Path, config: dict[str, Any], name: str | None = "mine") -> int:
    """Its exit status. folder: where it leaves `result.json` or `problem.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(json.dumps({"name": name, "config": config}))
    row = KINDS[kind]
    status = main(
        ["--run", row.run, "--options", dotted(row.options),
         "--config", str(folder / "job.json"), "--run-dir", str(folder)]
    )  # fmt: skip
    if (folder / RESULT).exists():  # the schema says all of it
        published = {"kind": kind, "model": name, **json.loads((folder / RESULT).read_text())}
        further = resolve(row.result).model_validate(published).model_extra or {}
        assert further.keys() <= {"kind", "model"}, further
    return status
