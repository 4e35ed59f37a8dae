"""`weightcast architectures` draws from search spaces as well as from the splits of DeepNets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from service.contract.search import SPACES
from service.graph_io.read import read_document
from service.predictors.smash.checkpoint import save_checkpoint
from service.predictors.smash.config import SmashConfig
from service.predictors.smash.model import Smash
from tests.cli.conftest import Run


@pytest.mark.parametrize("space", SPACES)
def test_a_seed_draws_the_same_architectures(run: Run, space: str) -> None:
    first = run("architectures", "--split", space, "-n", "3", "--seed", "4")
    assert first.exit_code == 0
    documents = [json.loads(line) for line in first.stdout.splitlines()]
    assert [document["name"] for document in documents] == [f"{space}-4-{index}" for index in range(3)]
    assert all(document["format"] == space for document in documents)
    assert run("architectures", "--split", space, "-n", "3", "--seed", "4").stdout == first.stdout
    assert run("architectures", "--split", space, "-n", "3", "--seed", "5").stdout != first.stdout


def test_networks_of_a_smash_model_are_of_its_space(run: Run, model_home: Path) -> None:
    torch.manual_seed(0)
    config = SmashConfig(blocks=1, banks=1, layers=2, unit=4, kernels=(5,), hidden=4, depth=1, num_classes=3)
    card = {"name": "small", "kind": "smash", "training": {"image_size": 8}}
    save_checkpoint(model_home / "models" / "small", Smash(config), card)
    made = run("architectures", "--split", "smash", "--model", "small", "-n", "8")
    assert made.exit_code == 0
    for line in made.stdout.splitlines():
        document = json.loads(line)
        assert (document["num_classes"], document["image_size"], len(document["blocks"])) == (3, 8, 1)
        (block,) = document["blocks"]
        assert block["banks"] == 1
        assert len(block["layers"]) <= 2
        assert all(conv["kernel"] == 5 for layer in block["layers"] for conv in layer["convs"])
        assert read_document(document).num_parameters > 0
    assert run("architectures", "--split", "ghn1", "--model", "small").exit_code == 2
    assert run("architectures", "--split", "smash", "--model", "none").exit_code != 0


@pytest.mark.parametrize("command", ["architectures", "evaluate"])
def test_a_misspelt_split(run: Run, command: str) -> None:
    result = run(command, "--split", "id-tset")
    assert result.exit_code == 2
    assert "'id-tset' is not one of 'train', 'id-val'" in result.stderr
    assert "Did you mean 'id-test'?" in result.stderr
