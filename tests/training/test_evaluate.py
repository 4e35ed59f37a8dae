"""Measuring predicted weights."""

from __future__ import annotations

import pytest
import torch

from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from training.data import load_dataset
from training.deepnets import Bounds, architecture_graph
from training.evaluate import Scores, evaluate_networks, validation_networks


def test_scores() -> None:
    scores = Scores((10.0, 20.0, 30.0))
    assert scores.mean == 20 and scores.max == 30
    assert scores.standard_error == pytest.approx(10 / 3**0.5)


@pytest.mark.parametrize("recalibrate", [False, True])
def test_an_untrained_ghn_is_near_chance(recalibrate: bool) -> None:
    torch.manual_seed(0)
    ghn = GHN(GHNConfig()).eval()
    data = load_dataset("digits", image_size=16)
    bounds = Bounds(cost=30, image_size=16, most_channels=16)
    graphs = [architecture_graph("train", 0, index, bounds=bounds) for index in range(3)]
    scores = evaluate_networks(ghn, graphs, data, data.test, limit=128, recalibrate=recalibrate)
    assert len(scores.accuracies) == 3
    assert 0 <= scores.mean < 40


def test_validation_networks_are_fixed() -> None:
    assert validation_networks(2, 10) == validation_networks(2, 10)
