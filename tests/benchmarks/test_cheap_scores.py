"""Weights that all networks of a space share."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from benchmarks.cheap_scores import SharedWeights
from service.executor.networks import Network
from service.graph_io.cells.nasbench201 import read_nasbench201

SIZE = {"channels": 4, "cells_per_stage": 1, "image_size": 8}
ONE = read_nasbench201(
    {"cell": "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|skip_connect~2|", **SIZE}
)
OTHER = read_nasbench201(
    {"cell": "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|", **SIZE}
)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(16, 3, 8, 8, generator=generator), torch.arange(16) % 10


def test_equal_operations_at_one_place_share_and_others_do_not() -> None:
    shared = SharedWeights()
    one, other = shared.of(ONE), shared.of(OTHER)
    assert one["stem.0.weight"] is other["stem.0.weight"]
    assert one["cells.0.layers.0.op.1.weight"] is other["cells.0.layers.0.op.1.weight"]
    names = [name for name in one if name in other and one[name].shape != other[name].shape]
    assert names
    assert all(one[name] is not other[name] for name in names)


def test_a_step_is_sgd_and_changes_its_own_network_alone() -> None:
    shared = SharedWeights(learning_rate=0.1, clip=1e9)
    before = {name: value.clone() for name, value in shared.of(ONE).items()}
    kept = {name: value.clone() for name, value in shared.of(OTHER).items()}
    images, labels = batch()
    leaves = {name: value.clone().requires_grad_() for name, value in before.items()}
    loss = F.cross_entropy(Network(ONE)(images, leaves), labels)
    loss.backward()
    assert shared.step(ONE, images, labels) == float(loss.detach())
    after = shared.of(ONE)
    for name, leaf in leaves.items():
        torch.testing.assert_close(after[name], before[name] - 0.1 * leaf.grad)
    other = shared.of(OTHER)
    for name in kept:
        if name not in after or other[name] is not after[name]:
            assert torch.equal(other[name], kept[name])


def test_training_in_turn_lowers_the_loss() -> None:
    shared, (images, labels) = SharedWeights(), batch()
    losses = [shared.step((ONE, OTHER)[number % 2], images, labels) for number in range(40)]
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])
