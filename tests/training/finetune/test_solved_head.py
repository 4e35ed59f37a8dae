"""The last layer in closed form: it is ridge regression, for every way a linear layer is stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from service.executor.networks import Network
from service.executor.statistics import BatchStatistics
from service.graph_io.torch_tracer import trace
from training.data.load import load_dataset
from training.evaluate.accuracy import measure
from training.finetune.solved_head import last_layer, solve_head
from training.loop.network_training import random_parameters

IMAGES = 300


def network(bias: bool) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(128, 10, bias=bias), nn.Dropout(0.5),
    )  # fmt: skip


@pytest.mark.parametrize("bias", [True, False])
def test_it_is_ridge_regression(bias: bool) -> None:
    data = load_dataset("digits", image_size=8)
    graph = trace(network(bias), input_shape=(3, 8, 8))
    layer, params = last_layer(Network(graph)), random_parameters(graph)
    assert layer is not None and layer.weight == "4.weight" and (layer.bias is not None) == bias
    solved = solve_head(layer, params, data, BatchStatistics(), images=IMAGES, validation_images=100)
    assert solved is not None and set(solved.params) == ({"4.weight", "4.bias"} if bias else {"4.weight"})

    # The same by least squares on a system with the penalty as rows of its own.
    part = data.normalise(data.train.images_NCHW[:IMAGES])
    features = layer.features(part, params).double().numpy()
    target = np.eye(10)[data.train.labels_N[:IMAGES].numpy()]
    means = (features.mean(0), target.mean(0)) if bias else (np.zeros(128), np.zeros(10))
    centred, wanted = features - means[0], target - means[1]
    penalty = np.sqrt(solved.strength * (centred**2).sum() / 128) * np.eye(128)
    rows, values = np.vstack([centred, penalty]), np.vstack([wanted, np.zeros((128, 10))])
    expected = np.linalg.lstsq(rows, values, rcond=None)[0].T
    found = solved.params["4.weight"].double().numpy()
    scale = np.linalg.norm(found) / np.linalg.norm(expected)
    assert scale >= 0.999
    np.testing.assert_allclose(found, scale * expected, rtol=1e-3, atol=1e-4)
    if bias:
        shift = means[1] - means[0] @ expected.T
        np.testing.assert_allclose(solved.params["4.bias"].numpy(), scale * shift, rtol=1e-3, atol=1e-3)

    # The loss it was chosen by is that of the network with it.
    whole = {**params, **solved.params}
    accuracy, loss = measure(Network(graph), whole, data, data.validation, limit=100)
    assert loss == pytest.approx(solved.loss, rel=1e-4) and accuracy > 60


def test_a_weight_that_is_stored_the_other_way_round() -> None:
    data = load_dataset("digits", image_size=8)
    graph = trace(network(bias=True), input_shape=(3, 8, 8))
    node = next(node for node in graph.nodes if node.op == "linear")
    turned = replace(node, params=(replace(node.params[0], shape=(128, 10), axes=(1, 0)), *node.params[1:]))
    other = replace(graph, nodes=tuple(turned if each is node else each for each in graph.nodes))
    params = random_parameters(graph)
    weights = []
    for each in (graph, other):
        layer = last_layer(Network(each))
        assert layer is not None
        solved = solve_head(layer, params, data, BatchStatistics(), images=100, validation_images=100)
        assert solved is not None
        weights.append(solved.params["4.weight"])
    assert torch.equal(weights[0], weights[1].T)


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(nn.Conv2d(3, 10, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Sequential(nn.Flatten(), nn.Linear(192, 10), nn.ReLU()),
    ],
)
def test_a_network_that_ends_otherwise_has_none(module: nn.Module) -> None:
    assert last_layer(Network(trace(module, input_shape=(3, 8, 8)))) is None


def test_features_that_are_not_finite_have_no_solution() -> None:
    data = load_dataset("digits", image_size=8)
    graph = trace(network(bias=True), input_shape=(3, 8, 8))
    layer = last_layer(Network(graph))
    assert layer is not None
    params = {name: value * torch.inf for name, value in random_parameters(graph).items()}
    assert solve_head(layer, params, data, BatchStatistics(), images=64, validation_images=64) is None
