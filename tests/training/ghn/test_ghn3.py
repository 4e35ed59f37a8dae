"""A GHN-3 learns by the same trainer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from service.ghn.checkpoint import load_checkpoint
from service.workers.job_process import PROBLEM, REFUSED
from tests.job_runs import run_job
from training.ghn.recipe import Stage, TrainConfig
from training.ghn.ship import main
from training.ghn.trainer import Trainer, load_config, train
from training.loop.run_folder import RunFolder

SMALL = {"gnn": "transformer", "hidden": 16, "layers": 2, "heads": 4, "max_channels": 16}
CONFIG = TrainConfig(
    name="tiny3",
    data="digits",
    steps=4,
    threads=1,
    ghn=SMALL,
    warmup_steps=2,
    validate_networks=0,
    stages=(Stage(image_size=16, cost=30, most_channels=16, meta_batch=2, images=8),),
)


def test_a_run_resumes_and_is_continued(tmp_path: Path) -> None:
    train(CONFIG, tmp_path / "run")
    ghn = load_checkpoint(tmp_path / "run" / "model")
    assert {name: getattr(ghn.config, name) for name in SMALL} == SMALL
    # A run that goes on knows what it trains, and at which rate.
    train(replace(CONFIG, steps=5, ghn={}), tmp_path / "run", resume=True)
    assert load_config(tmp_path / "run").highest_rate == CONFIG.highest_rate == 1e-3
    more = replace(CONFIG, ghn={}, from_model=str(tmp_path / "run"))
    trainer = Trainer(more, RunFolder(tmp_path / "more"))
    trainer.images.close()
    assert trainer.learned.ghn.config == ghn.config


def test_a_job_trains_it_further_as_what_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    config = {"data": "digits", "steps": 1, "from_model": "ghn3-cifar10", "ghn": {"gnn": "gated"}}
    assert run_job("ghn", folder, config, "other") == REFUSED
    assert json.loads((folder / PROBLEM).read_text())["field"] == "/config/ghn/gnn"


def test_a_shipped_model_says_what_it_is(tmp_path: Path) -> None:
    train(CONFIG, tmp_path / "run")
    (tmp_path / "scores.json").write_text(json.dumps({"split": "id-test", "bn": "recalibrate", "mean": 9.5}))
    main([str(tmp_path / "run"), str(tmp_path / "ghn3"), "--scores", str(tmp_path / "scores.json")])
    card = json.loads((tmp_path / "ghn3" / "card.json").read_text())
    assert card["description"].startswith("GHN-3 trained")
    assert card["scores"]["id-test, recalibrated statistics"]["mean"] == 9.5
    assert card["training"]["steps"] == 4
    assert load_checkpoint(tmp_path / "ghn3").config.gnn == "transformer"
