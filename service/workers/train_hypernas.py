"""The process that trains a HyperNAS predictor for a training job. See job_process.py.

The job's configuration holds `observations` (`{"architecture", "value"}` each), `property`, what they are
observations of, and fields of `training.hypernas.config.HyperNASTraining`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from service.errors import InvalidRequest
from service.settings import Settings
from service.workers.job_process import Result, run_job
from service.workers.training_options import configured, read_options

# What a request may not set: paths of this machine, and the name, which stands beside the configuration.
_OURS = ("data_dir", "name")
_HELD_OUT = 0.2


def main(arguments: list[str] | None = None) -> int:
    return run_job(train, arguments)


def train(name: str | None, options: dict[str, Any], folder: Path, settings: Settings) -> Result:
    """Train until the budget is used, and tell what came of it; None when SIGTERM came first.

    Errors: InvalidRequest for options or observations that the trainer does not take, InvalidArchitecture
    for a cell that cannot be read, InvalidInput for images that cannot be read.
    """
    from training.hypernas.config import HyperNASTraining, steps_for
    from training.hypernas.run import run

    values = {"held_out": _HELD_OUT, **read_options(options, settings, kind="hypernas", forbidden=_OURS)}
    observations, measured = values.pop("observations", []), values.pop("property", "accuracy")
    if not isinstance(observations, list):
        raise InvalidRequest("observations must be a list", field="/observations")
    if not isinstance(measured, str) or not 0 < len(measured) <= 80:
        raise InvalidRequest("property must be a short text", field="/property")
    if values.get("minutes") is None:
        values.setdefault("steps", steps_for(len(observations)))
    config = configured(
        HyperNASTraining.from_dict, {**values, "name": name, "data_dir": str(settings.data_dir)}
    )
    return run(config, folder, observations, measured=measured, cache_dir=settings.home / "cache")


if __name__ == "__main__":
    sys.exit(main())
