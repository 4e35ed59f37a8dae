"""Training a SMASH hypernetwork for a job."""

from __future__ import annotations

from service.contract.smash import SmashTraining
from training.job import Result, TrainingJob
from training.loop.environment import prepare_environment


def train(options: SmashTraining, job: TrainingJob) -> Result:
    """Train until the budget is used, and tell what came of it; None when SIGTERM came first. Raises what
    `training.smash.run.run` raises.
    """
    prepare_environment()
    # Imported late, for they load torch, which the environment must be prepared for.
    from training.smash.config import SmashRun
    from training.smash.run import run

    settings = job.settings
    return run(
        SmashRun(**vars(options), name=job.name or "smash", data_dir=str(settings.data_dir)),
        job.folder,
        cache_dir=settings.home / "cache",
        threads=settings.threads,
        on_progress=job.report,
    )
