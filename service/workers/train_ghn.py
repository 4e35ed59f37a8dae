"""The process that trains a GHN for a training job. See job_process.py.

Starts the other processes of the training itself.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from service.settings import Settings
from service.workers.job_process import Result, run_job
from service.workers.training_options import check_budget, configured, read_options

# What a request may not set: paths of this machine, and the name, which stands beside the configuration.
_OURS = ("data_dir", "name", "threads")


def main(arguments: list[str] | None = None) -> int:
    from training.ghn.launch import TeamBroken, prepare_environment

    prepare_environment()
    try:
        return run_job(train, arguments)
    except TeamBroken:
        # One of the processes was killed. Whoever supervises this one starts a killed trainer again.
        os.kill(os.getpid(), signal.SIGKILL)
        raise


def train(name: str | None, options: dict[str, Any], folder: Path, settings: Settings) -> Result:
    """Train until the budget is used, and tell what came of it; None when SIGTERM came first.

    Errors: InvalidRequest for options that the trainer does not take, InvalidInput for data that cannot be
    read.
    """
    from training.data.inventory import inventory
    from training.ghn.launch import processes_for
    from training.ghn.recipe import TrainConfig, recipe_for
    from training.ghn.team import Team
    from training.ghn.trainer import Trainer
    from training.loop.run_folder import RunFolder

    given = read_options(options, settings, kind="ghn", forbidden=_OURS)
    check_budget(given)
    values = {**recipe_for(str(given["data"])), **given}
    config = configured(TrainConfig.from_dict, {**values, "name": name, "data_dir": str(settings.data_dir)})
    processes = processes_for(config.largest_meta_batch, limit=settings.threads)
    config = replace(config, threads=1 if processes > 1 else settings.threads)
    trainer = Trainer(config, RunFolder(folder), settings.home / "cache", team=Team(size=processes))
    trainer.restore()
    trainer.run_until_done()
    if trainer.progress < 1:
        return None
    return {
        "steps": trainer.step,
        "minutes": round(trainer.seconds / 60, 2),
        "networks": trainer.networks_seen,
        "skipped": trainer.skipped,
        "scores": {"id-val": trainer.last_scores},
        "inventory": inventory(trainer.dataset),
    }


if __name__ == "__main__":
    sys.exit(main())
