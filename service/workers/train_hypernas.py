"""The process that trains a HyperNAS predictor for a training job: `python -m service.workers.train_hypernas
--config FILE --run-dir FOLDER`.

It keeps the promises of `train_ghn.py`. The job's configuration holds `observations` (`{"architecture",
"value"}` each), `property`, what they are observations of, and fields of
`training.hypernas_config.HyperNASTraining`.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from service.catalog import find_card
from service.errors import InvalidRequest, ServiceError
from service.settings import Settings, get_settings
from service.workers.train_ghn import PROBLEM, REFUSED, RESULT, data_set, write_json

# What a request may not set: paths of this machine, and the name, which stands beside the configuration.
_OURS = ("data_dir", "name")
_HELD_OUT = 0.2


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="train_hypernas")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    options = parser.parse_args(arguments)
    job = json.loads(options.config.read_text())
    try:
        result = train(job["name"], job["config"], options.run_dir, get_settings())
    except ServiceError as error:
        write_json(options.run_dir / PROBLEM, error.problem())
        return REFUSED
    if result is not None:
        write_json(options.run_dir / RESULT, result)
    return 0


def train(name: str, options: dict[str, Any], folder: Path, settings: Settings) -> dict[str, Any] | None:
    """Train until the budget is used, and tell what came of it; None when SIGTERM came first.

    Errors: InvalidRequest for options or observations that the trainer does not take, InvalidArchitecture
    for a cell that cannot be read, InvalidInput for images that cannot be read.
    """
    from training.hypernas_config import HyperNASTraining, steps_for
    from training.hypernas_run import run

    for field in _OURS:
        if field in options:
            raise InvalidRequest(f"a training job may not set {field!r}", field=f"config.{field}")
    values = {"data": "digits", "held_out": _HELD_OUT, **options}
    observations, measured = values.pop("observations", []), values.pop("property", "accuracy")
    if not isinstance(observations, list):
        raise InvalidRequest("observations must be a list", field="config.observations")
    if not isinstance(measured, str) or not 0 < len(measured) <= 80:
        raise InvalidRequest("property must be a short text", field="config.property")
    if values.get("from_model") is not None:
        _known_model(str(values["from_model"]))
    values["data"] = data_set(str(values["data"]), settings)
    if values.get("minutes") is None:
        values.setdefault("steps", steps_for(len(observations)))
    else:
        values["minutes"] = min(float(values["minutes"]), settings.training_max_minutes)
    try:
        config = HyperNASTraining.from_dict({**values, "name": name, "data_dir": str(settings.data_dir)})
    except (ValueError, TypeError) as error:
        raise InvalidRequest(f"the training options are not acceptable: {error}", field="config") from None
    return run(config, folder, observations, measured=measured, cache_dir=settings.home / "cache")


def _known_model(name: str) -> None:
    """Raises InvalidRequest for what is no HyperNAS model of the catalogue."""
    try:
        kind = find_card(name).kind
    except ServiceError as error:
        raise InvalidRequest(error.detail, field="config.from_model", **error.extra) from None
    if kind != "hypernas":
        raise InvalidRequest(f"the model {name[:80]!r} is a {kind}", field="config.from_model")


if __name__ == "__main__":
    sys.exit(main())
