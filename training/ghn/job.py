"""Training a GHN for a job. Starts the other processes of the training itself."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from service.contract.ghn import GHNTraining, Schedule
from service.contract.reading import written
from training.ghn.launch import processes_for
from training.ghn.recipe import Stage, TrainConfig, recipe_for
from training.job import Result, TrainingJob
from training.loop.environment import prepare_environment


def train(options: GHNTraining, job: TrainingJob) -> Result:
    """Train until the budget is used, and tell what came of it; None when a signal came first. Leaves the
    model in `folder/model` either way. Under `torchrun`, as many processes take part as that started.

    Raises InvalidRequest for options that the trainer does not take, InvalidInput for data that cannot be
    read, TeamBroken if a process died, TrainingDiverged.
    """
    prepare_environment()
    # Imported late, for it loads torch, which the environment must be prepared for.
    from training.data.inventory import inventory
    from training.ghn.team import Team
    from training.ghn.trainer import Trainer
    from training.loop.run_folder import RunFolder

    config, processes = run_of(options, job)
    team = Team.of_torchrun() or Team(size=processes)
    trainer = Trainer(config, RunFolder(job.folder), job.settings.home / "cache", job.report, team=team)
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
        "inventory": inventory(trainer.data.first),
    }


def lines(result: dict[str, Any]) -> list[str]:
    """What a person is told of the result."""
    measured = [scores for scores in result["scores"].values() if scores]
    return [
        f"{scores['networks']} unseen networks with predicted weights: {scores['mean']:.1f}% of "
        f"{scores['images']:,} validation images correct on average, {scores['max']:.1f}% at best"
        for scores in measured
    ]


def run_of(options: GHNTraining, job: TrainingJob) -> tuple[TrainConfig, int]:
    """The configuration of a job's run, and by how many processes it is trained."""
    settings = job.settings
    config = configured(options, name=job.name or "ghn", data_dir=str(settings.data_dir))
    processes = job.processes or processes_for(config.largest_meta_batch, limit=settings.threads)
    # Several processes have one thread each; a single one runs its networks on all it may use.
    return replace(config, threads=1 if processes > 1 else settings.threads), processes


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
