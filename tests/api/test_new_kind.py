"""A kind of training job that nobody here knows of is one row: the API takes it, a worker runs it, the client
and the command line offer it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from fastapi import FastAPI

from service.client import Client, Refused
from service.contract.kinds import KINDS
from service.settings import Settings, get_settings

from .test_cli_over_http import run, url
from .test_rank import api_settings, ranker

__all__ = ["api_settings", "ranker", "url"]

TOY = '''
from __future__ import annotations
import json
from dataclasses import dataclass, field
from typing import Literal
from service.contract.fields import option
from service.contract.kinds import TrainingKind
from service.contract.options import ImageTraining
from service.contract.results import Answer

class ToyResult(Answer):
    """What a toy became."""
    colour: str

@dataclass(frozen=True, kw_only=True)
class ToyTraining(ImageTraining):
    """What a toy is made of."""
    colour: Literal["red", "blue"] = field(default="red", metadata=option("Of the toy."))

def train(options, job):
    job.folder.mkdir(parents=True, exist_ok=True)
    record = {"kind": "train", "step": options.steps, "loss": 0.5, "progress": 1.0}
    with (job.folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\\n")
    job.report(record)
    model = job.folder / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "weights.safetensors").write_bytes(b"none")
    (model / "card.json").write_text(json.dumps({"name": job.name, "kind": "toy"}))
    return {"colour": options.colour, "data": options.data}

def lines(result):
    return [f"a {result['colour']} toy"]

ROW = TrainingKind(
    title="Toy",
    task="Toy training",
    name="toy", summary="Make a toy.", options=ToyTraining, publishes=True,
    run="toy_kind:train", result="toy_kind:ToyResult", lines="toy_kind:lines", use="weightcast play {name}",
)
'''


@pytest.fixture(autouse=True)
def _toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "toy_kind.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', os.getcwd())}")
    monkeypatch.setitem(KINDS, "toy", import_module("toy_kind").ROW)
    yield
    del sys.modules["toy_kind"]


def test_the_api_offers_and_checks_it(app: FastAPI, url: str) -> None:
    schemas = app.openapi()["components"]["schemas"]
    assert schemas["TrainingRequest"]["discriminator"]["mapping"]["toy"].endswith("/ToyJob")
    colour = schemas["ToyTraining"]["properties"]["colour"]
    assert (colour["enum"], colour["default"]) == (["red", "blue"], "red")
    assert colour["description"] == "Of the toy."
    assert "colour" in schemas["ToyResult"]["required"]
    with Client(url) as client, pytest.raises(Refused) as refused:
        client.create_training_job("toy", "mine", {"steps": 3, "colour": "green"})
    assert refused.value.problem["field"] == "/config/colour"


def test_a_worker_runs_it_for_the_client(url: str) -> None:
    with Client(url) as client:
        job = client.create_training_job("toy", "mine", {"steps": 3, "colour": "blue"})
        done = client.wait_for_job(job, timeout=60)
        assert done.result == {"model": "mine", "kind": "toy", "colour": "blue", "data": "digits"}
        assert done.about.task == "toy"
        metrics = [event.data for event in client.job_events(job.id) if event.event == "metrics"]
        assert [record["step"] for record in metrics] == [3]
        assert client.model("mine").kind == "toy"


def test_the_command_line_trains_it(
    api_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path / "own"))
    get_settings.cache_clear()
    command = ("train", "--kind", "toy", "--data", "digits", "--steps", "2", "--name", "here")
    trained = run(*command, "--set", "colour=blue")
    assert trained.exit_code == 0, trained.output
    assert "a blue toy" in trained.stdout and "use it with `weightcast play here`" in trained.stdout
    assert json.loads(run("models", "show", "here", "--json").stdout)["kind"] == "toy"
    wrong = run(*command[:-1], "other", "--set", "colour=green")
    assert wrong.exit_code == 2 and "--colour" in wrong.output
    get_settings.cache_clear()
