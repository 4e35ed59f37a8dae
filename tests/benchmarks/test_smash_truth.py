"""Trained networks of a SMASH space: known results are not trained again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import smash_truth
from benchmarks.smash_truth import random_networks, read_truth, space_of, train_all, truth_recipes
from training.data.load import load_dataset


def test_a_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    dataset = load_dataset("digits", image_size=8)
    recipe, second = truth_recipes(2, 1, 128)
    documents = random_networks(space_of(None, 10), 3, 8)
    file = tmp_path / "truth.jsonl"
    first = train_all(documents[:2], dataset, recipe, file, read_truth([file]))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["value"] for line in lines] == first and lines[1]["architecture"] == documents[1]
    assert all(0 <= accuracy <= 100 for accuracy in first)

    trained = []

    def accuracy(document: object, *_: object) -> float:
        trained.append(document)
        return 50.0

    monkeypatch.setattr(smash_truth, "trained_accuracy", accuracy)
    known = read_truth([tmp_path / "none.jsonl", file])
    assert train_all(documents, dataset, recipe, file, known) == [*first, 50.0]
    assert trained == [documents[2]]
    # Another recipe is another truth, and so is another seed.
    for other in (replace(recipe, epochs=2), second):
        train_all(documents[:1], dataset, other, None, read_truth([file]))
    assert trained == [documents[2], documents[0], documents[0]]
    assert len(file.read_text().splitlines()) == 3
