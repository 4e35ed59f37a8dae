"""GHN-1's blocks: parameters by a closed form, and the network against its definition in torch."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from service.errors import InvalidArchitecture
from service.executor.networks import Network
from service.graph_io.cells.ghn1 import OPERATIONS, read_ghn1
from service.search.ghn1 import GHN1Space


def block(*nodes: tuple[str, list[int]], **fields: Any) -> dict[str, Any]:
    operations = [list(node) for node in nodes]
    return {"format": "ghn1", "operations": operations, "channels": 4, "blocks": 3, **fields}


def numbers(operation: str, c: int) -> int:
    """Parameters of an operation of width c, its batch norm among them."""
    if operation in ("skip_connect", "max_pool_3x3", "avg_pool_3x3"):
        return 0
    if operation == "conv_1x1":
        return c * c + 2 * c
    if operation == "conv_1x7_7x1":
        return 14 * c * c + 2 * c
    return int(operation[-1]) ** 2 * c + c * c + 2 * c


@pytest.mark.parametrize("operation", OPERATIONS)
def test_parameters_by_a_closed_form(operation: str) -> None:
    graph = read_ghn1(block((operation, [0, 1]), ("conv_1x1", [1])))
    expected, before = 3 * 9 * 4 + 2 * 4, (4, 4)
    for width in (4, 8, 16):
        expected += sum(channels * width + 2 * width for channels in before)
        expected += numbers(operation, width) + numbers("conv_1x1", width)
        before = (before[1], 2 * width)  # two leaves
    assert graph.num_parameters == expected + before[1] * 10 + 10


def naive(document: dict[str, Any], w: dict[str, Tensor], x: Tensor) -> Tensor:
    def norm(y: Tensor, name: str) -> Tensor:
        return F.batch_norm(y, None, None, w[f"{name}.weight"], w[f"{name}.bias"], training=True)

    def operation(y: Tensor, kind: str, name: str) -> Tensor:
        if kind == "skip_connect":
            return y
        if kind == "max_pool_3x3":
            return F.max_pool2d(y, 3, 1, 1)
        if kind == "avg_pool_3x3":
            return F.avg_pool2d(y, 3, 1, 1, count_include_pad=False)
        y, first = F.relu(y), w[f"{name}.1.weight"]
        if kind == "conv_1x1":
            return norm(F.conv2d(y, first), f"{name}.3")
        if kind == "conv_1x7_7x1":
            y = F.conv2d(y, first, padding=(0, 3))
            return norm(F.conv2d(y, w[f"{name}.2.weight"], padding=(3, 0)), f"{name}.3")
        dilation = 2 if kind.startswith("dil") else 1
        y = F.conv2d(y, first, padding="same", dilation=dilation, groups=y.shape[1])
        return norm(F.conv2d(y, w[f"{name}.2.weight"]), f"{name}.3")

    stem = norm(F.conv2d(x, w["stem.0.weight"], padding=1), "stem.1")
    older = newer = stem
    side = x.shape[-1]
    for index in range(document["blocks"]):
        side = side if index == 0 else side // 2  # three blocks: each but the first halves
        states = []
        for place, given in enumerate((older, newer)):
            name = f"blocks.{index}.inputs.{place}"
            given = F.conv2d(F.relu(given), w[f"{name}.1.weight"], stride=given.shape[-1] // side)
            states.append(norm(given, f"{name}.2"))
        for node, (kind, sources) in enumerate(document["operations"]):
            name = f"blocks.{index}.nodes.{node}"
            states.append(operation(sum(states[source] for source in sources), kind, name))
        read = {source for _, sources in document["operations"] for source in sources}
        leaves = [state for place, state in enumerate(states) if place not in read and place > 1]
        older, newer = newer, torch.cat(leaves, 1)
    return F.linear(newer.mean((2, 3)), w["classifier.weight"], w["classifier.bias"])


def test_equals_its_definition() -> None:
    nodes = [(operation, [index % (2 + index), 1 + index]) for index, operation in enumerate(OPERATIONS)]
    document = block(("conv_1x1", [0, 1]), *((kind, [1, 2]) for kind, _ in nodes), image_size=16)
    graph = read_ghn1(document)
    generator = torch.Generator().manual_seed(0)
    w = {
        parameter.name: torch.randn(parameter.shape, generator=generator).double() * 0.5
        for parameter in graph.all_parameters()
    }
    x = torch.randn(4, 3, 16, 16, generator=generator).double()
    torch.testing.assert_close(Network(graph)(x, w).double(), naive(document, w, x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (block(("conv_1x1", [2])), "/operations/0/1/0"),
        (block(("conv_1x1", [1, 1])), "/operations/0/1"),
        (block(("conv_1x1", [0])), "/operations"),
        (block(("conv_9x9", [1])), "/operations/0/0"),
    ],
)
def test_what_is_no_block_is_refused_by_its_field(document: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        read_ghn1(document)
    assert caught.value.extra["field"] == field


def test_the_space_draws_blocks_of_the_papers_size() -> None:
    space, random = GHN1Space(), Random(0)
    drawn = [space.sample(random) for _ in range(30)]
    assert all(len(document["operations"]) == 15 for document in drawn)
    assert {operation for document in drawn for operation, _ in document["operations"]} == set(OPERATIONS)
    assert all(read_ghn1({**document, "blocks": 3}).num_parameters > 0 for document in drawn[:5])
    assert len(GHN1Space(states=7).sample(random)["operations"]) == 5
