"""How far the run in a folder has come."""

from __future__ import annotations

import json
from pathlib import Path

from service.contract.options import Budget
from training.loop.budget import share_used
from training.loop.run_folder import RunFolder


def share_done(folder: Path, budget: Budget | None = None) -> float:
    """Share of a budget that the run has used, by its newest checkpoint. budget: None for the run's own."""
    run = RunFolder(folder)
    checkpoint = run.load()
    if checkpoint is None:
        return 0.0
    if budget is None:
        config = json.loads(run.config_file.read_text())
        budget = Budget(minutes=config["minutes"], steps=config["steps"])
    _, state = checkpoint
    return min(1.0, share_used(budget, state["step"], state["seconds"]))
