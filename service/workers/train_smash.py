"""The process that trains a SMASH hypernetwork for a training job. See job_process.py.

The job's configuration holds fields of `training.smash.config.SmashTraining`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from service.settings import Settings
from service.workers.job_process import Result, run_job
from service.workers.training_options import check_budget, configured, read_options

# What a request may not set: paths of this machine, and the name, which stands beside the configuration.
_OURS = ("data_dir", "name")


def main(arguments: list[str] | None = None) -> int:
    return run_job(train, arguments)


def train(name: str | None, options: dict[str, Any], folder: Path, settings: Settings) -> Result:
    """Train until the budget is used, and tell what came of it; None when SIGTERM came first.

    Errors: InvalidRequest for options that the trainer does not take, InvalidInput for images that cannot be
    read.
    """
    import torch

    from training.loop.cores import usable_cores
    from training.smash.config import SmashTraining
    from training.smash.run import run

    values = read_options(options, settings, kind="smash", forbidden=_OURS)
    check_budget(values)
    named = {**values, "name": name, "data_dir": str(settings.data_dir)}
    config = configured(SmashTraining.from_dict, named)
    torch.set_num_threads(settings.threads or usable_cores())
    return run(config, folder, cache_dir=settings.home / "cache")


if __name__ == "__main__":
    sys.exit(main())
