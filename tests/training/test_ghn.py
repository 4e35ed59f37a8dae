"""The trainer: resuming repeats an uninterrupted run, training lowers the loss, what is saved can be
loaded.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from service.errors import InvalidRequest
from service.ghn.checkpoint import load_checkpoint
from training.ghn import load_config, train
from training.recipe import Stage, TrainConfig

CONFIG = TrainConfig(
    name="tiny",
    data="digits",
    steps=8,
    threads=1,
    log_steps=1,
    warmup_steps=2,
    validate_networks=0,
    stages=(
        Stage(until=0.5, image_size=16, cost=30, most_channels=16, meta_batch=2, images=8),
        Stage(image_size=16, cost=40, most_channels=16, meta_batch=2, images=8),
    ),
)


def losses(folder: Path) -> dict[int, float]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return {record["step"]: record["loss"] for record in map(json.loads, lines) if record["kind"] == "train"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(CONFIG, tmp_path_factory.mktemp("runs") / "whole")


def test_a_run_leaves_metrics_a_configuration_and_a_model(finished: Path) -> None:
    assert sorted(losses(finished)) == list(range(1, 9))
    assert load_config(finished) == CONFIG
    ghn = load_checkpoint(finished / "model")
    assert all(bool(torch.isfinite(p).all()) for p in ghn.parameters())
    assert json.loads((finished / "model" / "card.json").read_text())["dataset"] == "digits"
    with pytest.raises(InvalidRequest):
        train(CONFIG, finished)


def test_a_killed_run_resumes_with_the_same_losses(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    options = {**CONFIG.to_dict(), "checkpoint_minutes": 0.0}
    script = (
        "import json, sys\nfrom pathlib import Path\n"
        "from training.ghn import train\nfrom training.recipe import TrainConfig\n"
        "if __name__ == '__main__':\n"
        "    train(TrainConfig.from_dict(json.loads(sys.argv[1])), Path(sys.argv[2]))\n"
    )
    (tmp_path / "run.py").write_text(script)
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py"), json.dumps(options), str(folder)],
        env={**os.environ, "PYTHONPATH": root},
    )
    metrics = folder / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and len(metrics.read_text().splitlines()) >= 3):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(losses(folder)) < 8
    train(CONFIG, folder, resume=True)
    assert losses(folder) == losses(finished)


def test_a_run_may_go_on_with_other_stages(finished: Path) -> None:
    longer = replace(
        CONFIG, steps=10, stages=(Stage(image_size=32, cost=90, most_channels=16, meta_batch=3, images=8),)
    )
    train(longer, finished, resume=True)
    assert max(losses(finished)) == 10


def test_learning_rate_warms_up_and_falls() -> None:
    config = replace(CONFIG, warmup_steps=10)
    rates = [config.rate(step, step / 100) for step in range(100)]
    assert rates[0] < rates[9] and rates[9] > rates[50] > rates[99] > 0


def test_configuration_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="colour"):
        TrainConfig.from_dict({**CONFIG.to_dict(), "colour": "red"})
    with pytest.raises(ValueError, match="minutes or steps"):
        replace(CONFIG, minutes=1.0)
