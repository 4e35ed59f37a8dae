"""`weightcast train --kind hypernas`, and what of it a GHN is not told."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
from safetensors.numpy import load_file

from service.graph_io.read import read_document
from service.models.catalog import find_card
from service.predictors.hypernas.batch import make_batch
from service.predictors.hypernas.cell_graph import read_cell
from service.predictors.hypernas.checkpoint import load_checkpoint
from service.predictors.hypernas.small_network import small_network
from service.settings import get_settings
from tests.cli.conftest import Run
from tests.predictors.rankers.test_ranking import observations, some_cells
from training.data.deepnets import architecture


@pytest.fixture(autouse=True)
def own_home(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path / "own"))
    get_settings.cache_clear()


def test_it_learns_from_a_file_of_results_and_ranks(run: Run, tmp_path: Path) -> None:
    lines = [json.dumps(item) for item in observations(some_cells(40))]
    (tmp_path / "trained.jsonl").write_text("\n".join(lines))
    train = ("train", "--kind", "hypernas", "--data", "digits", "--observations", "trained.jsonl")
    made = run(*train, "--steps", "8", "--json")
    assert made.exit_code == 0, made.output
    answer = json.loads(made.stdout)
    assert (answer["name"], answer["steps"]) == ("hypernas-digits", 8)
    # A fifth of those that are networks.
    assert 5 <= answer["scores"]["held_out"] <= 8
    (tmp_path / "cells.jsonl").write_text("\n".join(json.dumps(cell) for cell in some_cells(5, seed=1)))
    ranked = json.loads(run("rank", "cells.jsonl", "--predictor", "hypernas-digits", "--json").stdout)
    assert len(ranked["ranking"]) == 5
    assert run(*train, "--steps", "8").exit_code == 2  # the run is there


def test_a_search_writes_the_weights_of_what_it_found(run: Run, tmp_path: Path) -> None:
    lines = [json.dumps(item) for item in observations(some_cells(40))]
    (tmp_path / "trained.jsonl").write_text("\n".join(lines))
    train = ("train", "--kind", "hypernas", "--data", "digits", "--observations", "trained.jsonl")
    assert run(*train, "--steps", "8", "--name", "both").exit_code == 0
    alone = ("--name", "alone", "--set", 'model={"tasks":"accuracy"}')
    assert run(*train, "--steps", "8", *alone).exit_code == 0
    search = ("search", "--space", "nasbench201", "--evaluations", "30")
    made = run(*search, "-p", "both", "--weights", "best.safetensors", "--json")
    assert made.exit_code == 0, made.output
    best = json.loads(made.stdout)["best"][0]["architecture"]
    document = json.loads((tmp_path / "best.json").read_text())
    assert document == {**best, "channels": 8, "cells_per_stage": 1, "num_classes": 10}
    graph, weights = read_document(document), load_file(tmp_path / "best.safetensors")
    assert {name: value.shape for name, value in weights.items()} == {
        parameter.name: parameter.shape for parameter in graph.parameters()
    }
    # What is written is what the hypernetwork emits, not a random start.
    card = find_card("both")
    hypernas = load_checkpoint(card.path).hypernas
    network = small_network(best, hypernas.config, 16)
    cells = make_batch([read_cell(best, "nasbench201", prune=True)], "nasbench201")
    (expected,) = hypernas.weights(cells, [network])
    assert expected.keys() < weights.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(weights[name], value.detach().numpy(), rtol=1e-6, atol=1e-7)
    for refused in (
        ("-p", "alone"),
        ("-p", "latency-cpu"),
        (),
        ("-p", "both", "--url", "http://127.0.0.1:9"),
    ):
        assert run(*search, *refused, "--weights", "other.safetensors").exit_code in (2, 3)
    assert not (tmp_path / "other.safetensors").exists()


def test_cells_that_differ(run: Run, tmp_path: Path) -> None:
    random = Random(0)
    documents = [architecture("train", random.getrandbits(32), 0) for _ in range(25)]
    lines = [json.dumps({"architecture": one, "value": float(i)}) for i, one in enumerate(documents)]
    (tmp_path / "trained.jsonl").write_text("\n".join(lines))
    train = ("train", "--kind", "hypernas", "--data", "digits", "--observations", "trained.jsonl")
    train = (*train, "--steps", "8")
    made = run(*train, "--set", 'model={"space":"darts","tasks":"accuracy"}', "--name", "two-cells", "--json")
    assert made.exit_code == 0, made.output
    found = run("search", "--space", "darts", "--evaluations", "12", "-p", "two-cells", "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["evaluations"] == 12
    refused = run(*train, "--set", 'model={"space":"darts"}', "--name", "other")
    assert refused.exit_code == 2 and "tasks must be accuracy" in refused.output


def test_what_does_not_go_together(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("")
    assert run("train", "--kind", "hypernas", "--data", "digits", "--steps", "2").exit_code == 2
    assert run("train", "--data", "digits", "--steps", "2", "--observations", "t.jsonl").exit_code == 2
    hypernas = ("train", "--kind", "hypernas", "--data", "digits", "--observations", "t.jsonl")
    assert run(*hypernas, "--gnn", "mlp").exit_code == 2
    assert run("train", "--data", "digits", "--steps", "2", "--set", "space=none").exit_code == 2
