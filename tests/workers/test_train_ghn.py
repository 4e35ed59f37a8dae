"""What a training job may ask for, and how the trainer says no."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.errors import InvalidRequest
from service.settings import Settings
from service.workers.job_process import PROBLEM, REFUSED, data_set
from tests.job_runs import run_job


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"steps": 1, "data_dir": "/etc"}, "/config/data_dir"),
        ({"steps": 1, "data": "../outside"}, "/config/data"),
        ({"steps": 1, "data": "/"}, "/config/data"),
        ({"steps": 1, "also_data": "/etc"}, "/config/also_data"),
        ({"steps": 1, "also_data": "nowhere"}, "/config/also_data"),
        ({"steps": 1, "also_data": "digits"}, "/config/also_data"),
        ({}, "/config"),
        ({"steps": 1, "minutes": 1}, "/config"),
        ({"steps": 1, "no_such_option": 1}, "/config/no_such_option"),
        ({"steps": 1, "from_model": "no-such-model"}, "/config/from_model"),
        ({"steps": 1, "from_model": "/etc"}, "/config/from_model"),
        ({"steps": 1, "from_model": "ranker"}, "/config/from_model"),
        ({"steps": 1, "from_model": "tiny", "ghn": {"hidden": 32}}, "/config/ghn/hidden"),
    ],
)
def test_a_wrong_request_leaves_a_problem_document(
    tiny: Settings, config: dict[str, Any], field: str
) -> None:
    run = tiny.home / "run"
    assert run_job("ghn", run, config) == REFUSED
    problem = json.loads((run / PROBLEM).read_text())
    assert problem["status"] == 422 and problem["field"] == field
    assert not list(run.glob("checkpoint-*"))


def test_only_data_inside_the_data_folder_is_read(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", data_dir=tmp_path / "data")
    (tmp_path / "data" / "flowers").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "secret")
    assert data_set("digits", settings) == "digits"
    assert data_set("flowers", settings) == str(tmp_path / "data" / "flowers")
    for name in ("link", "../secret", ".", "", str(tmp_path / "secret"), "nothing"):
        with pytest.raises(InvalidRequest):
            data_set(name, settings)
