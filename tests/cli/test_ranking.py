"""weightcast rank and weightcast predictor fit."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from service.settings import get_settings
from tests.cli.conftest import CELL, SMALL_GRAPH, Run, problems, write_json
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
    lines = plain.stdout.splitlines()
    assert lines[0] == "accuracy by ranker, highest first"
    assert lines[1].split() == ["rank", "line", "score", "name"] and lines[2].split()[:2] == ["1", "4"]
    assert lines[3].startswith("1 line skipped (") and lines[3].endswith("): 3")
    assert "o observations needed" in plain.stderr


def test_a_list_of_graphs_takes_the_memory_of_its_text(run: Run, tmp_path: Path) -> None:
    """Parsed at once they would take ten times that."""
    chain = [
        {"name": f"conv{n}", "op": "conv", "inputs": [f"conv{n - 1}" if n else "x"], "attrs": {"padding": 1},
         "params": {"weight": {"name": f"conv{n}.weight", "shape": [8, 8, 3, 3]}}}
        for n in range(100)
    ]  # fmt: skip
    graph = {"format": "graph", "input_shape": [8, 16, 16], "nodes": [{"name": "x", "op": "input"}, *chain]}
    write_lines(tmp_path / "nets.jsonl", [{**graph, "name": f"net{n}"} for n in range(100)])
    run("rank", "nets.jsonl", "--top-k", 1)  # imports
    tracemalloc.start()
    result = run("rank", "nets.jsonl", "--predictor", "structure", "--top-k", 1, "--json")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert json.loads(result.stdout)["ranking"][0]["name"] == "net0"
    assert peak_bytes < 5 * (tmp_path / "nets.jsonl").stat().st_size


def test_ranking_by_what_is_shipped_loads_no_regressors(tmp_path: Path) -> None:
    """They take two seconds."""
    write_lines(tmp_path / "nets.jsonl", [SMALL_GRAPH])
    code = (
        "import sys; sys.argv = ['weightcast', 'rank', sys.argv[1]]\n"
        "from service.cli.app import main\n"
        "try: main()\n"
        "finally: assert not {'scipy', 'sklearn', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "nets.jsonl")], check=True, timeout=120)


def test_the_fastest_come_first_with_value_interval_and_unit(run: Run, tmp_path: Path) -> None:
    small = {**SMALL_GRAPH, "name": "small"}
    cell = {"format": "nasbench201", "cell": CELL, "name": "cell"}
    write_lines(tmp_path / "nets.jsonl", [cell, small])
    answer = json.loads(run("rank", "nets.jsonl", "--property", "latency", "--json").stdout)
    assert (answer["order"], answer["unit"]) == ("ascending", "ms")
    assert [row["name"] for row in answer["ranking"]] == ["small", "cell"]
    fast, slow = (row["value"] for row in answer["ranking"])
    assert fast < slow
    lines = run("rank", "nets.jsonl", "--property", "latency").stdout.splitlines()
    assert lines[0] == "latency by latency-cpu, lowest first"
    assert "value, ms" in lines[1] and "90% interval" in lines[1] and "score" not in lines[1]
    assert " to " in lines[2] and lines[2].endswith("small")
    other = run("rank", "nets.jsonl", "--property", "latency", "--order", "descending", "--json")
    assert [row["name"] for row in json.loads(other.stdout)["ranking"]] == ["cell", "small"]


def test_a_ranking_is_written_for_other_commands(run: Run, tmp_path: Path) -> None:
    cell = {"format": "nasbench201", "cell": CELL, "name": "cell"}
    write_lines(
        tmp_path / "nets.jsonl", [{"architecture": cell, "note": "mine"}, {**SMALL_GRAPH, "name": "small"}]
    )
    by_latency = ("rank", "nets.jsonl", "--property", "latency")
    assert run(*by_latency, "-o", "best.csv").exit_code == 0
    rows = list(csv.DictReader((tmp_path / "best.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == ["small", "cell"]
    assert float(rows[0]["low"]) <= float(rows[0]["value"]) <= float(rows[0]["high"])
    assert run(*by_latency, "-o", "best.jsonl").exit_code == 0
    again = json.loads(run("rank", "best.jsonl", "--json").stdout)
    assert {row["name"] for row in again["ranking"]} == {"small", "cell"} and not again["skipped"]


def test_networks_are_ranked_by_their_sources(run: Run, tmp_path: Path) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n\n"
        "def Net() -> nn.Module:\n    return nn.Sequential(nn.Flatten(), nn.Linear(48, 10))\n"
    )
    (tmp_path / "nets.jsonl").write_text(f"nasbench201:{CELL}\n{json.dumps({'architecture': SMALL_GRAPH})}\n")
    sources = ("net.json", "net.py:Net", "n*.jsonl", "missing.json")
    result = run("rank", *sources, "--predictor", "structure", "-o", "order.jsonl", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert {row["index"]: row["name"] for row in answer["ranking"]} == {
        0: "net.json", 1: "net.py:Net", 2: "nets.jsonl:1", 3: "nets.jsonl:2"
    }  # fmt: skip
    assert [item["index"] for item in answer["skipped"]] == [4]
    again = json.loads(run("rank", "order.jsonl", "--predictor", "structure", "--json").stdout)
    assert [row["name"] for row in again["ranking"]] == [row["name"] for row in answer["ranking"]]
    shown = run("rank", *sources, "--predictor", "structure").stdout
    assert shown.splitlines()[1].split() == ["rank", "source", "score", "name"]
    assert "1 source skipped" in shown and "missing.json" in shown
    assert json.loads(run("rank", f"nasbench201:{CELL}", "--json").stdout)["predictor"] == "ranker"
    for wrong in ("none.jsonl", "none", "none*.jsonl"):
        assert run("rank", wrong).exit_code == 2


def test_skipped_lines_are_grouped_by_reason(run: Run, tmp_path: Path) -> None:
    nothing = "nasbench201:|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    write_lines(tmp_path / "nets.jsonl", [f"nasbench201:{CELL}", *[nothing] * 12])
    said = [line for line in run("rank", "nets.jsonl").stdout.splitlines() if "skipped" in line]
    assert len(said) == 1
    assert said[0].startswith("12 lines skipped (No path leads from")
    assert said[0].endswith("): 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...")


def test_equal_scores_share_a_place(run: Run, tmp_path: Path) -> None:
    other = CELL.replace("3x3~2", "1x1~2")
    write_lines(tmp_path / "nets.jsonl", [f"nasbench201:{cell}" for cell in (CELL, CELL, other)])
    rows = run("rank", "nets.jsonl").stdout.splitlines()[2:]
    assert sorted(row.split()[0] for row in rows) in (["1", "1", "3"], ["1", "2", "2"])


def test_the_best_measured_predictor_of_a_space_is_the_default(run: Run, tmp_path: Path) -> None:
    found = run(
        "search", "--space", "darts", "--evaluations", 3, "--trade-off", "parameters", "-o", "best.jsonl"
    )
    assert found.exit_code == 0, found.output
    assert "3 architectures of darts scored by deepnets-accuracy (accuracy)" in found.stdout
    assert "stopped: evaluation budget used up" in found.stdout
    assert "Pareto front (accuracy against parameters):" in found.stdout
    assert "value, %" in found.stdout
    # What a search wrote goes on into a ranking, by the same predictor.
    ranked = json.loads(run("rank", "best.jsonl", "--json").stdout)
    assert ranked["predictor"] == "deepnets-accuracy" and len(ranked["ranking"]) == 3


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


def test_rank_of_documents_and_short_texts(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mixed.jsonl").write_text(f"{json.dumps(SMALL_GRAPH)}\ntorchvision:alexnet\n")
    ranked = run("rank", "mixed.jsonl", "--json")
    assert ranked.exit_code == 0, ranked.output
    assert sorted(row["index"] for row in json.loads(ranked.stdout)["ranking"]) == [0, 1]


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
    assert "10 outputs, and 'digits' has 11 classes" in json.loads(other.stdout)["skipped"][0]["reason"]


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
