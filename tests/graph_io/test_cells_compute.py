"""The expanded networks compute what the benchmarks' definitions say: run as graphs, and written out by hand
in torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from service.graph_io.archgraph import ArchGraph
from service.graph_io.cells.nasbench101 import read_nasbench101
from service.graph_io.cells.nasbench201 import read_nasbench201
from service.graph_io.cells.smash import read_smash

torch = pytest.importorskip("torch")
F = torch.nn.functional
Params = Mapping[str, Any]


def run(graph: ArchGraph, by_hand: Callable[[Any, Params], Any]) -> None:
    from service.executor.networks import Network

    generator = torch.Generator().manual_seed(0)
    params = {p.name: 0.3 * torch.randn(p.shape, generator=generator) for p in graph.parameters()}
    images = torch.randn(4, *graph.input_shape, generator=generator)
    torch.testing.assert_close(Network(graph)(images, params), by_hand(images, params), rtol=2e-4, atol=2e-4)


def norm(x: Any, params: Params, name: str) -> Any:
    return F.batch_norm(x, None, None, params[f"{name}.weight"], params[f"{name}.bias"], training=True)


def conv(x: Any, params: Params, name: str, stride: int = 1) -> Any:
    weight = params[f"{name}.weight"]
    return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)


def classify(x: Any, params: Params) -> Any:
    return F.linear(x.mean(dim=(2, 3)), params["classifier.weight"], params["classifier.bias"])


def relu_conv_norm(x: Any, params: Params, name: str, stride: int = 1) -> Any:
    return norm(conv(F.relu(x), params, f"{name}.op.1", stride), params, f"{name}.op.2")


def operation(x: Any, params: Params, name: str, op: str) -> Any:
    if op.startswith("nor_conv"):
        return relu_conv_norm(x, params, name)
    if op == "avg_pool_3x3":
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    return x if op == "skip_connect" else torch.zeros_like(x)


CELLS = [
    ("nor_conv_3x3", "avg_pool_3x3", "skip_connect", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"),
    ("skip_connect", "none", "avg_pool_3x3", "none", "skip_connect", "nor_conv_1x1"),
    ("skip_connect", "skip_connect", "skip_connect", "skip_connect", "skip_connect", "skip_connect"),
]


@pytest.mark.parametrize("ops", CELLS)
def test_nasbench201(ops: Sequence[str]) -> None:
    a, b, c, d, e, f = ops
    text = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"

    def by_hand(x: Any, params: Params) -> Any:
        x = norm(conv(x, params, "stem.0"), params, "stem.1")
        for index, is_reduction in enumerate((False, True, False, True, False)):
            prefix = f"cells.{index}"
            if is_reduction:
                inner = relu_conv_norm(
                    relu_conv_norm(x, params, f"{prefix}.conv_a", 2), params, f"{prefix}.conv_b"
                )
                x = inner + conv(F.avg_pool2d(x, 2), params, f"{prefix}.downsample.1")
                continue

            def layer(state: Any, index: int, prefix: str = prefix) -> Any:
                return operation(state, params, f"{prefix}.layers.{index}", ops[index])

            one = layer(x, 0)
            two = layer(x, 1) + layer(one, 2)
            x = layer(x, 3) + layer(one, 4) + layer(two, 5)
        return classify(F.relu(norm(x, params, "lastact.0")), params)

    run(read_nasbench201({"cell": text, "channels": 6, "cells_per_stage": 1, "image_size": 8}), by_hand)


def conv_norm_relu(x: Any, params: Params, name: str) -> Any:
    return F.relu(norm(conv(x, params, f"{name}.conv_bn_relu.0"), params, f"{name}.conv_bn_relu.1"))


def test_nasbench101_with_uneven_branches() -> None:
    """Vertices 1 and 2 share 13 channels as 7 and 6: vertex 2 reads the first 6 of vertex 1."""
    rows = [[0, 1, 1, 0, 1], [0, 0, 1, 0, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
    graph = read_nasbench101(
        {"matrix": rows, "ops": "I3M1O", "channels": 13, "stacks": 2, "modules": 1, "image_size": 8}
    )

    def by_hand(x: Any, params: Params) -> Any:
        x = conv_norm_relu(x, params, "layers.0")
        for layer, widths in ((1, (7, 6)), (3, (13, 13))):
            if layer == 3:
                x = F.max_pool2d(x, 2)
            name = f"layers.{layer}"
            one = conv_norm_relu(
                conv_norm_relu(x, params, f"{name}.input_op.1"), params, f"{name}.vertex_op.1.conv3x3"
            )
            assert one.shape[1] == widths[0]
            total = one[:, : widths[1]] + conv_norm_relu(x, params, f"{name}.input_op.2")
            two = F.max_pool2d(total, 3, 1, 1)
            three = conv_norm_relu(two, params, f"{name}.vertex_op.3.conv1x1")
            x = torch.cat([one, three], dim=1) + conv_norm_relu(x, params, f"{name}.input_op.4")
        return classify(x, params)

    run(graph, by_hand)


def test_smash_with_two_banks() -> None:
    convs = [{"kernel": 3}, {"kernel": 3, "branch": 1}]
    layers = [{"read": [0], "write": [1], "channels": 6, "convs": convs}, {"read": [1, 0], "write": [0, 1]}]
    graph = read_smash({"blocks": [{"banks": 2, "bank_channels": 4, "layers": layers}], "image_size": 8})

    def by_hand(x: Any, params: Params) -> Any:
        x = conv(conv(x, params, "stem"), params, "blocks.0.enter")
        first, second = x[:, :4], x[:, 4:]
        name = "blocks.0.layers.0"
        reduced = F.relu(conv(first, params, f"{name}.reduce"))
        inner = conv(reduced, params, f"{name}.convs.0") + conv(reduced, params, f"{name}.convs.1")
        second = second + conv(inner, params, f"{name}.expand")
        result = conv(torch.cat([second, first], dim=1), params, "blocks.0.layers.1.reduce")
        joined = torch.cat([first + result, second + result], dim=1)
        return classify(F.relu(norm(joined, params, "transitions.0.norm")), params)

    run(graph, by_hand)
