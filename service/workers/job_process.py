"""A process that does the work of a training job: `python -m service.workers.job_process`.

What it promises the task that supervises it (training.py): it goes on from what the folder holds. It ends
with status 0 and `result.json` when the work is done; with status 0 and without it after SIGTERM, once what
was done is saved; with status 3 and `problem.json` when the request was wrong.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

from service.contract.ghn import GHNTraining
from service.contract.options import Budget, Images, Options
from service.contract.reading import read
from service.errors import ServiceError
from service.kit.references import resolve
from service.kit.whole_file import write_whole
from service.models.uses import check_models
from service.settings import Settings, get_settings
from training.data.served import data_set
from training.ghn.launch import TeamBroken
from training.job import Result, TrainingJob

RESULT, PROBLEM = "result.json", "problem.json"
REFUSED = 3


def main(arguments: list[str] | None = None) -> int:
    """Do the work that the command line names, and leave its result or its problem document. Returns the
    exit status.
    """
    parser = ArgumentParser()
    parser.add_argument("--run", required=True, help="What does the work: MODULE:FUNCTION")
    parser.add_argument("--options", required=True, help="What it is told: MODULE:CLASS")
    parser.add_argument("--config", type=Path, required=True, help='JSON: {"name", "config"}')
    parser.add_argument("--run-dir", type=Path, required=True)
    words = parser.parse_args(arguments)
    document = json.loads(words.config.read_text())
    job = TrainingJob(name=document.get("name"), folder=words.run_dir, settings=get_settings())
    try:
        options = looked_up(read(resolve(words.options), document["config"]), job.settings)
        result: Result = resolve(words.run)(options, job)
    except TeamBroken:
        # One of the processes was killed. Whoever supervises this one starts a killed trainer again.
        os.kill(os.getpid(), signal.SIGKILL)
        raise
    except ServiceError as error:
        if "field" in error.extra:
            error.place_in("config")
        write_whole(words.run_dir / PROBLEM, json.dumps(error.problem()))
        return REFUSED
    if result is not None:
        write_whole(words.run_dir / RESULT, json.dumps(result))
    return 0


def looked_up(options: Options, settings: Settings) -> Options:
    """The options with what they name looked up: `data` is what the trainer reads, `minutes` within the
    limit. A request comes from another machine, so it never names a path of this one.

    Raises InvalidRequest naming the field, if there are no such data, or models of another kind.
    """
    check_models(options, settings)  # again, for they may be gone since the request
    if isinstance(options, Images):
        options = replace(options, data=data_set(options.data, settings))
    if isinstance(options, GHNTraining) and options.also_data is not None:
        options = replace(options, also_data=data_set(options.also_data, settings, field="/also_data"))
    if isinstance(options, Budget) and options.minutes is not None:
        options = replace(options, minutes=min(options.minutes, settings.training_max_minutes))
    return options


if __name__ == "__main__":
    sys.exit(main())
