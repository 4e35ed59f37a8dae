"""A process that does the work of a training job: `python -m MODULE --config FILE --run-dir FOLDER`.

What all of them promise the task that supervises them (training.py): they go on from what the folder holds.
They end with status 0 and `result.json` when the work is done; with status 0 and without it after SIGTERM,
once what was done is saved; with status 3 and `problem.json` when the request was wrong.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.errors import ServiceError
from service.kit.whole_file import write_whole
from service.settings import Settings, get_settings

RESULT, PROBLEM = "result.json", "problem.json"
REFUSED = 3

# The result, None when SIGTERM came first.
Result = dict[str, Any] | None
# Called with the name and the configuration of the job, and its folder.
Work = Callable[[str | None, dict[str, Any], Path, Settings], Result]


def run_job(work: Work, arguments: list[str] | None = None) -> int:
    """Do the work that the command line names, and leave its result or its problem document. Returns the
    exit status.
    """
    parser = ArgumentParser()
    parser.add_argument("--config", type=Path, required=True, help='JSON: {"name", "config"}')
    parser.add_argument("--run-dir", type=Path, required=True)
    options = parser.parse_args(arguments)
    job = json.loads(options.config.read_text())
    try:
        result = work(job.get("name"), job["config"], options.run_dir, get_settings())
    except ServiceError as error:
        if "field" in error.extra:
            error.place_in("config")
        write_whole(options.run_dir / PROBLEM, json.dumps(error.problem()))
        return REFUSED
    if result is not None:
        write_whole(options.run_dir / RESULT, json.dumps(result))
    return 0
