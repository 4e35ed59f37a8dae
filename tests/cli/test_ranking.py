"""weightcast rank and weightcast predictor fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.settings import get_settings
from tests.cli.conftest import CELL, SMALL_GRAPH, Run, problems
from tests.predictors.rankers.test_ranking import observations, some_cells
from tests.training.data.image_files import write_images


@pytest.fixture(autouse=True)
def own_home(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictors go to a home of this test."""
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()


def write_lines(path: Path, lines: list[Any]) -> None:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))


def test_rank_works_at_once(run: Run, tmp_path: Path) -> None:
    cell = {"format": "nasbench201", "cell": CELL, "name": "mine"}
    write_lines(tmp_path / "nets.jsonl", [SMALL_GRAPH, "", "{broken", cell])
    result = run("rank", "nets.jsonl", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["predictor"] == "ranker"
    assert [(row["rank"], row["index"], row["name"]) for row in answer["ranking"]] == [
        (1, 2, "mine"),
        (2, 0, None),
    ]
    assert [row["index"] for row in answer["skipped"]] == [1]
    assert answer["skipped"][0]["problem"]["line"] == 3

    plain = run("rank", "nets.jsonl", "--top-k", 1)
    assert plain.stdout.splitlines()[1].split()[:2] == ["1", "4"]
    assert "line 3 skipped" in plain.stdout
    assert "o observations needed" in plain.stderr


def test_rank_by_what_predicted_weights_do(run: Run, tmp_path: Path) -> None:
    write_lines(tmp_path / "nets.jsonl", [SMALL_GRAPH])
    by_images = ("rank", "nets.jsonl", "--predictor", "predicted-weights:ghn2-cifar10")
    assert run(*by_images).exit_code == 2
    result = run(*by_images, "--data", "digits", "--images", 64, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["predictor"] == "predicted-weights:ghn2-cifar10"
    assert 0 <= answer["ranking"][0]["value"] <= 100
    assert "64 validation images of digits" in answer["note"]


def test_rank_by_a_folder_with_a_bad_image(run: Run, tmp_path: Path) -> None:
    write_lines(tmp_path / "nets.jsonl", [SMALL_GRAPH])
    photos = write_images(tmp_path / "digits", {f"kind {number}": 4 for number in range(10)})
    (photos / "kind 0" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    by_images = ("rank", "nets.jsonl", "--predictor", "predicted-weights:ghn2-cifar10", "--data", "digits")
    refused = run(*by_images)
    assert refused.exit_code == 3
    assert "bad.png" in problems(refused)[0]["detail"]
    ranked = run(*by_images, "--skip-bad", "--json")
    assert ranked.exit_code == 0, ranked.output
    assert "10 validation images of digits" in json.loads(ranked.stdout)["note"]
    assert "left out, unreadable: 1 (kind 0/bad.png" in ranked.stderr

    write_images(photos, {"kind 10": 4})
    other = run(*by_images, "--skip-bad", "--json")
    assert "10 values an image, and digits has 11 classes" in json.loads(other.stdout)["skipped"][0]["reason"]


def test_rank_refuses(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    assert run("rank", "empty.jsonl").exit_code == 3
    write_lines(tmp_path / "bad.jsonl", ["{}"])
    nothing = run("rank", "bad.jsonl", "--json")
    assert nothing.exit_code == 3
    assert len(json.loads(nothing.stdout)["skipped"]) == 1
    assert run("rank", "missing.jsonl").exit_code == 2
    unknown = run("rank", "bad.jsonl", "--predictor", "none-such")
    assert unknown.exit_code == 3
    assert problems(unknown)[0]["status"] == 422
    assert run("rank", "bad.jsonl", "--property", "latency").exit_code == 3


def test_fit_then_rank(run: Run, tmp_path: Path) -> None:
    write_lines(tmp_path / "seen.jsonl", observations(some_cells(24)))
    fitted = run("predictor", "fit", "seen.jsonl", "--name", "mine", "--json")
    assert fitted.exit_code == 0, fitted.output
    report = json.loads(fitted.stdout)
    assert (report["name"], report["n"]) == ("mine", 24)
    assert report["interval"][0] <= report["kendall_tau_cv"] <= report["interval"][1]
    assert f"{report['n']} observations" in report["certainty"]
    cards = json.loads(run("models", "list", "--json").stdout)
    assert [card["kind"] for card in cards if card["name"] == "mine"] == ["predictor"]

    write_lines(tmp_path / "nets.jsonl", some_cells(30, seed=1))
    result = run("rank", "nets.jsonl", "--predictor", "mine", "--property", "accuracy", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert (answer["property"], answer["predictor"]) == ("accuracy", "mine")
    assert sorted(row["index"] for row in answer["ranking"]) == list(range(30))
    assert run("predict", f"nasbench201:{CELL}", "--model", "mine").exit_code == 3


def test_fit_refuses(run: Run, tmp_path: Path) -> None:
    write_lines(tmp_path / "few.jsonl", observations(some_cells(3)))
    assert run("predictor", "fit", "few.jsonl", "--name", "few").exit_code == 3
    assert run("predictor", "fit", "few.jsonl", "--name", "structure").exit_code == 2
    assert run("predictor", "fit", "few.jsonl", "--name", "../few").exit_code == 2
    write_lines(tmp_path / "broken.jsonl", ["{"])
    refused = run("predictor", "fit", "broken.jsonl", "--name", "few")
    assert refused.exit_code == 3
    assert problems(refused)[0]["line"] == 1
    assert not (tmp_path / "home" / "models" / "few").exists()
