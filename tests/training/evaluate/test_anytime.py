"""The worth of a network that may be stopped at any time, by a sum over moments and by its own images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from service.executor.networks import Network
from service.ghn.checkpoint import load_checkpoint
from service.predictors.rankers.ranking import Candidate, rank
from service.search.anytime import AnytimeSpace
from service.settings import get_settings
from training.data.dataset import batches
from training.data.deepnets import Bounds
from training.data.load import load_dataset
from training.data.spaces import SpaceNetworks
from training.evaluate.accuracy import measure, predicted_parameters
from training.evaluate.anytime import area, exit_scores, usual_budget
from training.evaluate.ranker import PredictedWeightsRanker
from training.ghn.recipe import Stage, TrainConfig
from training.ghn.trainer import train
from training.loop.exit_loss import mean_loss
from training.loop.network_training import random_parameters, train_network
from training.loop.recipes import SgdRecipe

FIELDS = {"channels": 4, "nodes": 1}


def by_moments(costs: list[float], values: list[float], budget: float, before: float) -> float:
    """What a stop at each of many moments gives, on average."""
    moments = (np.arange(20_000) + 0.5) * budget / 20_000
    total = 0.0
    for moment in moments:
        answered = [value for cost, value in zip(costs, values, strict=True) if cost <= moment]
        total += answered[-1] if answered else before
    return total / len(moments)


@pytest.mark.parametrize(
    ("costs", "values", "budget", "before"),
    [
        ([20.0, 50.0, 90.0], [30.0, 20.0, 80.0], 100.0, 0.0),
        ([20.0, 50.0, 90.0], [30.0, 20.0, 80.0], 60.0, 10.0),
        ([40.0], [70.0], 30.0, 2.3),
        ([0.0, 10.0], [10.0, 60.0], 10.0, 0.0),
    ],
)
def test_the_area_is_the_mean_over_moments(
    costs: list[float], values: list[float], budget: float, before: float
) -> None:
    expected = by_moments(costs, values, budget, before)
    assert area(costs, values, budget, before=before) == pytest.approx(expected, abs=2e-2)


def test_exits_are_scored_as_networks_of_their_own() -> None:
    dataset = load_dataset("digits", image_size=8)
    graph = SpaceNetworks(space="anytime", fields=FIELDS).graph(
        "test", 0, 3, num_classes=10, bounds=Bounds(image_size=8)
    )
    network, params = Network(graph), random_parameters(graph)
    scores = exit_scores(network, params, dataset, dataset.validation, limit=100)
    costs = [score.multiply_adds for score in scores]
    assert costs == sorted(costs) and len(scores) == len(graph.exits)
    correct = [0] * len(scores)
    for x, labels in batches(dataset, dataset.validation, 64, 100):
        for place, logits in enumerate(network.answers(x, params)):
            correct[place] += int((logits.argmax(1) == labels).sum())
    assert [score.accuracy for score in scores] == correct
    last = measure(network, params, dataset, dataset.validation, limit=100)
    assert scores[-1].accuracy == pytest.approx(last[0])
    assert scores[-1].loss == pytest.approx(last[1], rel=1e-5)


def test_the_loss_is_the_mean_over_exits_and_training_lowers_all() -> None:
    logits = [torch.randn(6, 4) for _ in range(3)]
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    expected = sum(-torch.log_softmax(one, 1)[range(6), labels].mean() for one in logits) / 3
    torch.testing.assert_close(mean_loss(logits, labels), expected)

    dataset = load_dataset("digits", image_size=8)
    networks = SpaceNetworks(space="anytime", fields={"channels": 8, "nodes": 1})
    graph = networks.graph("test", 0, 0, num_classes=10, bounds=Bounds(image_size=8))
    before = exit_scores(Network(graph), random_parameters(graph), dataset, dataset.validation)
    trained = train_network(Network(graph), dataset, SgdRecipe(epochs=2, batch_size=32, learning_rate=0.1))
    after = exit_scores(Network(graph), trained, dataset, dataset.validation)
    assert all(last.loss < first.loss for first, last in zip(before, after, strict=True))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path))
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def test_a_ghn_is_trained_on_such_networks_and_ranks_them_by_the_area(home: Path) -> None:
    config = TrainConfig(
        name="any",
        data="digits",
        steps=3,
        space="anytime",
        network=FIELDS,
        ghn={"anytime": True, "virtual_edge_cutoff": 1, "decoder": "mlp", "max_channels": 8, "max_kernel": 5},
        stages=(Stage(image_size=8, meta_batch=2, images=16),),
        threads=1,
        validate_networks=0,
    )
    train(config, home / "run")
    (home / "models").mkdir()
    (home / "run" / "model").rename(home / "models" / "any")
    ghn = load_checkpoint(home / "models" / "any")
    assert ghn.config.anytime

    dataset = load_dataset("digits", image_size=8)
    space = AnytimeSpace(nodes=1, channels=4, image_size=8)
    documents = [space.sample(Random(seed)) for seed in range(3)]
    ranker = PredictedWeightsRanker("any", dataset, images=64)
    answer = rank([Candidate(index, document) for index, document in enumerate(documents)], ranker)
    assert not answer.skipped and len(answer.ranking) == 3
    for row in answer.ranking:
        graph = ranker._read(documents[row.index])
        scores = exit_scores(
            Network(graph), predicted_parameters(ghn, graph), dataset, dataset.validation, limit=64,
            dtype=ranker._dtype,
        )  # fmt: skip
        budget = usual_budget(graph, 6)
        assert budget == 6 * 9 * 16 * 64
        costs = [float(score.multiply_adds) for score in scores]
        expected = area(costs, [score.accuracy for score in scores], budget)
        assert row.score == pytest.approx(expected, abs=1e-4)
