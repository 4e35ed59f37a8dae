"""The process that trains a GHN for a training job: `python -m service.workers.train_ghn --config FILE
--run-dir FOLDER`.

Goes on from the folder's newest checkpoint. Starts the other processes of the training itself. Ends with
status 0 and `result.json` when the budget is used; with status 0 and without it after SIGTERM, once its state
is saved; with status 3 and `problem.json` when the request was wrong.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from service.catalog import find_card
from service.errors import InvalidRequest, ServiceError, UnknownModel
from service.settings import Settings, get_settings

RESULT, PROBLEM = "result.json", "problem.json"
REFUSED = 3
# What a request may not set: paths of this machine, and the name, which stands beside the configuration.
_OURS = ("data_dir", "name", "threads")


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="train_ghn")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    options = parser.parse_args(arguments)
    job = json.loads(options.config.read_text())

    from training.launch import TeamBroken, prepare_environment

    prepare_environment()
    try:
        result = train(job["name"], job["config"], options.run_dir, get_settings())
    except TeamBroken:
        # One of the processes was killed. Whoever supervises this one starts a killed trainer again.
        os.kill(os.getpid(), signal.SIGKILL)
        raise
    except ServiceError as error:
        write_json(options.run_dir / PROBLEM, error.problem())
        return REFUSED
    if result is not None:
        write_json(options.run_dir / RESULT, result)
    return 0


def train(name: str, options: dict[str, Any], folder: Path, settings: Settings) -> dict[str, Any] | None:
    """Train until the budget is used, and tell what came of it; None when SIGTERM came first.

    Errors: InvalidRequest for options that the trainer does not take, InvalidInput for data that cannot be
    read.
    """
    from training.ghn import Trainer
    from training.launch import processes_for
    from training.recipe import TrainConfig, recipe_for
    from training.run_folder import RunFolder
    from training.team import Team

    values: dict[str, Any] = {"data": "digits", **options}
    for field in _OURS:
        if field in options:
            raise InvalidRequest(f"a training job may not set {field!r}", field=f"config.{field}")
    values = {**recipe_for(str(values["data"])), **values}
    if values.get("from_model") is not None:
        _known_model(str(values["from_model"]))
    values["data"] = data_set(str(values["data"]), settings)
    if values.get("minutes") is None and values.get("steps") is None:
        raise InvalidRequest(
            "a training job needs a budget", field="config.minutes", hint="give minutes or steps"
        )
    if values.get("minutes") is not None:
        values["minutes"] = min(float(values["minutes"]), settings.training_max_minutes)
    try:
        config = TrainConfig.from_dict({**values, "name": name, "data_dir": str(settings.data_dir)})
    except (ValueError, TypeError) as error:
        raise InvalidRequest(f"the training options are not acceptable: {error}", field="config") from None
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
    }


def _known_model(name: str) -> None:
    """A request names a model of the catalogue, never a folder of this machine."""
    try:
        find_card(name)
    except UnknownModel as error:
        raise InvalidRequest(
            f"there is no model {name[:80]!r} to start from", field="config.from_model", **error.extra
        ) from None


def data_set(name: str, settings: Settings) -> str:
    """What the trainer reads: a data set it knows, or a folder of images inside the data folder, and none
    outside of it.
    """
    if name in ("digits", "cifar10"):
        return name
    folder = (settings.data_dir / name).resolve()
    if settings.data_dir.resolve() in folder.parents and folder.is_dir():
        return str(folder)
    raise InvalidRequest(
        f"there is no data set {name[:80]!r}",
        field="config.data",
        hint="use digits, cifar10, or the name of a folder of images in WEIGHTCAST_DATA_DIR",
    )


def write_json(path: Path, document: dict[str, Any]) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(document))
    os.replace(temporary, path)


if __name__ == "__main__":
    sys.exit(main())
