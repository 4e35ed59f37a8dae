"""Training a GHN for a job. Starts the other processes of the training itself."""

from __future__ import annotations

import os
import signal
from dataclasses import fields, replace

from service.contract.ghn import GHNTraining, Schedule
from service.contract.reading import written
from training.ghn.launch import TeamBroken, processes_for
from training.ghn.recipe import Stage, TrainConfig, recipe_for
from training.job import Result, TrainingJob
from training.loop.environment import prepare_environment


def train(options: GHNTraining, job: TrainingJob) -> Result:
    """Train until the budget is used, and tell what came of it; None when SIGTERM came first.

    Raises InvalidRequest for options that the trainer does not take, InvalidInput for data that cannot be
    read.
    """
    prepare_environment()
    try:
        return _train(options, job)
    except TeamBroken:
        # One of the processes was killed. Whoever supervises this one starts a killed trainer again.
        os.kill(os.getpid(), signal.SIGKILL)
        raise


def _train(options: GHNTraining, job: TrainingJob) -> Result:
    # Imported late, for it loads torch, which the environment must be prepared for.
    from training.data.inventory import inventory
    from training.ghn.team import Team
    from training.ghn.trainer import Trainer
    from training.loop.run_folder import RunFolder

    settings = job.settings
    config = configured(options, name=job.name or "ghn", data_dir=str(settings.data_dir))
    processes = processes_for(config.largest_meta_batch, limit=settings.threads)
    config = replace(config, threads=1 if processes > 1 else settings.threads)
    trainer = Trainer(config, RunFolder(job.folder), settings.home / "cache", team=Team(size=processes))
    trainer.restore()
    trainer.run_until_done()
    if trainer.progress < 1:
        return None
    return {
        "steps": trainer.step,
        "minutes": round(trainer.seconds / 60, 2),
        "networks": trainer.networks_seen,
        "skipped": trainer.skipped,
        "scores": {options.space or "id-val": trainer.last_scores},
        "inventory": inventory(trainer.dataset),
    }


def configured(options: GHNTraining, *, name: str, data_dir: str) -> TrainConfig:
    """The run that the options ask for; what they leave open suits the data."""
    values = {
        **recipe_for(options.data, space=options.space),
        **{entry.name: getattr(options, entry.name) for entry in fields(Schedule)},
        "ghn": written(options.ghn),
    }
    if options.stages is not None:
        values["stages"] = tuple(Stage(**vars(stage)) for stage in options.stages)
    if options.warmup_steps is not None:
        values["warmup_steps"] = options.warmup_steps
    return TrainConfig(**values, name=name, data_dir=data_dir)
