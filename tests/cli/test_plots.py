"""--plot: a chart beside the result. What is in it: tests/plots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.plots import Chart
from service.settings import get_settings
from tests.cli.conftest import CELL, SMALL_GRAPH, Run, problems, write_json
from tests.predictors.rankers.test_ranking import observations, some_cells

SVG = b"<?xml"


@pytest.fixture(autouse=True)
def own_home(run: Run, model_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is trained and fitted goes to a home of this test."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "models").mkdir()
    (tmp_path / "home" / "models" / "tiny").symlink_to(model_home / "models" / "tiny")
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()


@pytest.fixture
def titles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of what was drawn."""
    seen: list[str] = []
    save = Chart.save
    monkeypatch.setattr(
        Chart, "save", lambda chart, path: seen.append(chart.axes[0].get_title("left")) or save(chart, path)
    )
    return seen


def write_lines(path: Path, lines: list[Any]) -> Path:
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_fit_rank_and_search(run: Run, tmp_path: Path, titles: list[str]) -> None:
    seen = write_lines(tmp_path / "seen.jsonl", observations(some_cells(20)))
    fitted = run("predictor", "fit", seen, "--name", "mine", "--plot", "charts/fit.svg", "--json")
    assert fitted.exit_code == 0, fitted.output
    assert len(json.loads(fitted.stdout)["held_out"]) > 6
    assert titles[-1].startswith("mine: ") and "held-out observations" in titles[-1]

    cells = write_lines(tmp_path / "cells.jsonl", [{"format": "nasbench201", "cell": CELL}])
    ranked = run("rank", cells, "--predictor", "mine", "--plot", "rank.png")
    assert ranked.exit_code == 0, ranked.output
    assert titles[-1] == "1 architectures ranked by the predictor mine"
    assert Path("rank.png").read_bytes().startswith(b"\x89PNG")

    searched = run(
        *"search --space nasbench201 --predictor mine --evaluations 20 --trade-off parameters".split(),
        "--plot", "search.svg",
    )  # fmt: skip
    assert searched.exit_code == 0, searched.output
    assert titles[-1] == "Search of nasbench201"
    assert Path("charts/fit.svg").read_bytes().startswith(SVG)
    assert Path("search.svg").read_bytes().startswith(SVG)


def test_predict(run: Run, tmp_path: Path, titles: list[str]) -> None:
    net = write_json(tmp_path / "net.json", SMALL_GRAPH)
    result = run("predict", net, "--plot", "weights.svg")
    assert result.exit_code == 0, result.output
    assert titles == [f"{net}, by tiny"] and b"conv.weight" in Path("weights.svg").read_bytes()
    assert run("predict", net, net, "--plot", "weights.svg").exit_code == 2


def test_finetune(run: Run, tmp_path: Path, titles: list[str]) -> None:
    net = write_json(tmp_path / "net.json", SMALL_GRAPH)
    options = "--data digits --images 128 --batch-size 32 --epochs 1 --compare --json --plot tuned.svg"
    result = run("finetune", net, *options.split())
    assert result.exit_code == 0, result.output
    accuracy = json.loads(result.stdout)["test_accuracy"]
    assert titles == [f"digits: {accuracy:.1f}% of test images"]
    assert b"from random weights" in Path("tuned.svg").read_bytes()


def test_train(run: Run, titles: list[str]) -> None:
    options = "--data digits --steps 2 --hidden 4 --processes 1 --name mine --json --plot run.svg"
    result = run("train", *options.split())
    assert result.exit_code == 0, result.output
    assert titles == ["mine"] and b"images classified correctly, %" in Path("run.svg").read_bytes()


@pytest.mark.parametrize("command", ["rank", "search", "predict", "finetune", "train", "predictor fit"])
def test_every_command_refuses_before_any_work(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    net = write_json(tmp_path / "net.json", SMALL_GRAPH)
    needed = {
        "rank": [net],
        "search": ["--space", "darts", "--evaluations", 1],
        "predict": [net],
        "finetune": [net, "--data", "digits"],
        "train": ["--data", "digits", "--steps", 1],
        "predictor fit": [net, "--name", "mine"],
    }[command]
    refused = run(*command.split(), *needed, "--plot", "chart.jpg")
    assert refused.exit_code == 2 and ".png or .svg" in refused.stderr.replace("\n", " ")
    monkeypatch.setattr("service.extras.find_spec", lambda name: None)
    (problem,) = problems(run(*command.split(), *needed, "--plot", "chart.png"))
    assert problem["hint"] == "Install it from a clone of the repository: pip install '.[plots]'."
    assert not Path("net.safetensors").exists()
