"""NAS-Bench-201 cells: the expansion against an independent torch module, and against the benchmark's own
numbers.
"""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidArchitecture, LimitExceeded
from service.graph_io.cells.nasbench201 import OPERATIONS, cell_text, live_edges, parse_cell, read_nasbench201
from service.graph_io.primitives import to_primitives

CONVOLUTIONS = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
MIXED = "|nor_conv_1x1~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"

operations = st.lists(st.sampled_from(OPERATIONS), min_size=6, max_size=6)


def cell_of(ops: list[str]) -> str:
    return f"|{ops[0]}~0|+|{ops[1]}~0|{ops[2]}~1|+|{ops[3]}~0|{ops[4]}~1|{ops[5]}~2|"


def expand(cell: str, **options: Any) -> Any:
    return read_nasbench201({"format": "nasbench201", "cell": cell, **options})


def reference_module(ops: list[str], channels: int, cells_per_stage: int, num_classes: int) -> Any:
    """The network as modules of the published structure, only for its parameter names and shapes."""
    nn = pytest.importorskip("torch.nn")

    class Operation(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self, width_in: int, width: int, kernel: int) -> None:
            super().__init__()
            conv = nn.Conv2d(width_in, width, kernel, bias=False)
            self.op = nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(width))

    class Reduction(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self, before: int, after: int) -> None:
            super().__init__()
            self.conv_a, self.conv_b = Operation(before, after, 3), Operation(after, after, 3)
            self.downsample = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(before, after, 1, bias=False))

    class Cell(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self, width: int) -> None:
            super().__init__()
            kernels = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
            self.layers = nn.ModuleList(
                Operation(width, width, kernels[op]) if op in kernels else nn.Identity() for op in ops
            )

    network = nn.Module()
    network.stem = nn.Sequential(nn.Conv2d(3, channels, 3, bias=False), nn.BatchNorm2d(channels))
    cells = []
    for stage in range(3):
        width = channels * 2**stage
        if stage:
            cells.append(Reduction(width // 2, width))
        cells += [Cell(width) for _ in range(cells_per_stage)]
    network.cells = nn.ModuleList(cells)
    network.lastact = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU())
    network.classifier = nn.Linear(width, num_classes)
    return network


@settings(max_examples=25, deadline=None)
@given(ops=operations)
def test_parameters_are_those_of_the_published_network(ops: list[str]) -> None:
    if not live_edges(parse_cell(cell_of(ops))):
        return
    graph = expand(cell_of(ops), channels=8, cells_per_stage=2, num_classes=7)
    module = reference_module(ops, 8, 2, 7)
    expected = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
    assert {parameter.name: parameter.shape for parameter in graph.parameters()} == expected


def test_the_benchmarks_largest_and_smallest_networks_have_their_published_size() -> None:
    assert expand(CONVOLUTIONS).num_parameters == 1_531_546
    smallest = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    assert expand(smallest).num_parameters == 73_306


def test_the_shape_of_the_network() -> None:
    graph = expand(MIXED, name="mixed")
    assert graph.name == "mixed"
    assert graph.input_shape == (3, 32, 32)
    assert graph.outputs == ("classifier",)
    assert {node.cell for node in graph.nodes} == {None, *range(17)}
    strides = [node.attrs["stride"] for node in graph.nodes if node.op == "conv"]
    assert strides.count(2) == 2
    pools = [node for node in graph.nodes if node.op == "avg_pool" and node.attrs["kernel_size"] == 3]
    assert len(pools) == 15
    assert not any(node.attrs["count_include_pad"] for node in pools)
    assert len(to_primitives(graph).targets) == len(list(graph.parameters()))


def test_what_cannot_matter_is_unattached_but_answered() -> None:
    # Node 1 is reached by a convolution, but nothing leads on from it; node 2 hangs in the air.
    dangling = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    graph = expand(dangling, cells_per_stage=1)
    unread = [parameter.name for parameter in graph.unattached]
    assert unread[:3] == [
        "cells.0.layers.0.op.1.weight",
        "cells.0.layers.0.op.2.weight",
        "cells.0.layers.0.op.2.bias",
    ]
    assert "cells.0.layers.5.op.1.weight" in unread
    assert len(unread) == 3 * 2 * 3
    assert not any(node.name.startswith("cells.0.") for node in graph.nodes)


@settings(max_examples=100, deadline=None)
@given(ops=operations)
def test_every_cell_is_parsed_and_written(ops: list[str]) -> None:
    text = cell_of(ops)
    cell = parse_cell(text)
    assert cell_text(cell) == text
    # Liveness against enumerating the four paths of the complete graph.
    named = dict(zip([(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)], ops, strict=True))
    paths = [[(0, 3)], [(0, 1), (1, 3)], [(0, 2), (2, 3)], [(0, 1), (1, 2), (2, 3)]]
    expected = {edge for path in paths if all(named[edge] != "none" for edge in path) for edge in path}
    assert {(edge.source, edge.target) for edge in live_edges(cell)} == expected


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("", "3 groups"),
        ("|none~0|+|none~0|none~1|", "3 groups"),
        (MIXED.replace("avg_pool_3x3", "max_pool_3x3"), "no operation 'max_pool_3x3'"),
        (MIXED.replace("avg_pool_3x3~1", "avg_pool_3x3~0"), "each of"),
        (MIXED.replace("avg_pool_3x3~1", "avg_pool_3x3~7"), "each of"),
        (MIXED.replace("avg_pool_3x3~1", "avg_pool_3x3"), "like 'skip_connect~0'"),
        (MIXED.replace("|none~0", "none~0"), "not between"),
        (cell_of(["none"] * 6), "not a network"),
        ("|skip_connect~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|", "not a network"),
    ],
)
def test_a_wrong_cell_is_named(cell: str, said: str) -> None:
    with pytest.raises(InvalidArchitecture, match=said) as caught:
        expand(cell)
    assert caught.value.extra["field"] == "/cell"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"channels": 0}, "/channels"),
        ({"channels": "16"}, "/channels"),
        ({"cells_per_stage": True}, "/cells_per_stage"),
        ({"num_classes": -1}, "/num_classes"),
        ({"image_size": 1}, "/image_size"),
        ({"chanels": 8}, "/chanels"),
        ({"name": 5}, "/name"),
        ({"cell": 5}, "/cell"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        expand(**{"cell": MIXED, **options})
    assert caught.value.extra["field"] == field


def test_limits_hold() -> None:
    with pytest.raises(LimitExceeded):
        expand(CONVOLUTIONS, channels=4096)
    with pytest.raises(LimitExceeded):
        expand("|" * 2000)


SHARED = os.environ.get("WEIGHTCAST_SHARED_DIR")


@pytest.mark.skipif(SHARED is None, reason="WEIGHTCAST_SHARED_DIR is unset")
def test_the_whole_benchmark_is_parsed() -> None:
    """All 15,625 cells; those that this reader calls no network are those that the benchmark could not
    train.
    """
    table = Path(SHARED or "") / "data" / "nasbench201" / "nasbench201.csv.gz"
    with gzip.open(table, "rt") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 15_625
    dead = [float(row["cifar10_test_200ep"]) for row in rows if not live_edges(parse_cell(row["arch_str"]))]
    assert len(dead) == 341
    assert set(dead) == {10.0}
