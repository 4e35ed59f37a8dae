"""Properties of a network that was trained for a short while."""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmarks.network_properties import NOISE, corrupted, forward_seconds, trained_properties, updates_until
from training.data.deepnets import Bounds, architecture_graph
from training.data.load import load_dataset
from training.loop.recipes import SgdRecipe

SMALL = Bounds(cost=3, image_size=8, most_channels=16)


def test_a_trained_network_is_better_on_clean_images() -> None:
    data = load_dataset("digits", image_size=8)
    noisy = corrupted(data.validation)
    noisy = corrupted(noisy, seed=1)
    graph = architecture_graph("train", 0, 2, bounds=SMALL)
    found = trained_properties(graph, data, noisy, SgdRecipe(epochs=2, batch_size=64))
    assert len(found.curve) == 2 * (len(data.train) // 64)
    assert found.curve[0] < 40 < sum(found.curve[-5:]) / 5
    assert found.clean > found.corrupted > 10


def test_noise_is_the_same_for_a_seed_and_as_strong_as_it_says() -> None:
    data = load_dataset("digits", image_size=8)
    grey = replace(data.validation, images_NCHW=torch.full_like(data.validation.images_NCHW, 128))
    noisy = corrupted(grey)
    assert torch.equal(noisy.images_NCHW, corrupted(grey).images_NCHW)
    assert not torch.equal(noisy.images_NCHW, corrupted(grey, seed=1).images_NCHW)
    assert abs(float(noisy.images_NCHW.float().std()) / 255 - NOISE) < 0.01
    assert torch.equal(noisy.labels_N, grey.labels_N)


def test_convergence_is_counted_on_a_smoothed_curve() -> None:
    curve = [10.0] * 15 + [50.0] * 15
    assert updates_until(curve, 10) == 10
    assert updates_until(curve, 30) == 20
    assert updates_until(curve, 50) == 25
    assert updates_until(curve, 60) == len(curve) + 1


def test_time_of_a_forward_pass_grows_with_the_images() -> None:
    graph = architecture_graph("train", 0, 2, bounds=SMALL)
    few, many = torch.zeros(2, 3, 8, 8), torch.zeros(512, 3, 16, 16)
    assert 0 < forward_seconds(graph, few, 3) < forward_seconds(graph, many, 3)
