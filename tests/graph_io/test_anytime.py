"""Networks with early exits against their definition in torch, node by node."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from service.errors import InvalidArchitecture
from service.executor.networks import Network
from service.graph_io.cells.anytime import OPERATIONS, read_anytime
from service.graph_io.digest import graph_digest
from service.graph_io.json_writer import graph_document
from service.graph_io.primitives import Decoding, to_primitives
from service.graph_io.read import read_document
from service.predictors.features.exits import exit_costs
from service.predictors.features.network_cost import multiply_adds
from service.search.anytime import AnytimeSpace

Document = dict[str, Any]


def node(operation: str, scale: int, *inputs: int, leaves: bool = False) -> Document:
    return {"operation": operation, "scale": scale, "inputs": list(inputs), "exit": leaves}


def document(*blocks: list[Document], **fields: Any) -> Document:
    return {"format": "anytime", "blocks": list(blocks), "channels": 4, "image_size": 16, **fields}


def drawn(seed: int) -> Document:
    return AnytimeSpace(nodes=2, channels=4, image_size=16, num_classes=3).sample(Random(seed))


def weights(graph: Any) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        parameter.name: torch.randn(parameter.shape, generator=generator).double() * 0.5
        for parameter in graph.all_parameters()
    }


def naive(document: Document, w: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """Every exit by the words of the format: all nodes are run, also those that lead to no exit."""

    def convolution(y: Tensor, name: str, norm: str) -> Tensor:
        y = F.conv2d(y, w[f"{name}.weight"], padding=w[f"{name}.weight"].shape[-1] // 2)
        return F.relu(F.batch_norm(y, None, None, w[f"{norm}.weight"], w[f"{norm}.bias"], training=True))

    def at(y: Tensor, size: int) -> Tensor:
        factor = y.shape[-1] // size
        return F.max_pool2d(y, factor) if factor > 1 else F.interpolate(y, size=(size, size))

    answers, before = [], [convolution(x, "stem.0", "stem.1")]
    for number, block in enumerate(document["blocks"]):
        states, read = [before], set()
        for index, entry in enumerate(block):
            name, size = f"blocks.{number}.{index}", x.shape[-1] // 2 ** entry["scale"]
            read |= set(entry["inputs"])
            if f"{name}.0.weight" not in w:
                states.append([])
                continue
            sources = [y for source in entry["inputs"] for y in states[source]]
            y = convolution(torch.cat([at(y, size) for y in sources], 1), f"{name}.0", f"{name}.1")
            if entry["operation"] == "max_pool_3x3":
                y = F.max_pool2d(y, 3, 1, 1)
            elif entry["operation"] == "avg_pool_3x3":
                y = F.avg_pool2d(y, 3, 1, 1, count_include_pad=False)
            else:
                y = convolution(y, f"{name}.3", f"{name}.4")
            if entry.get("exit"):
                head = f"{name}.exit"
                answers.append(F.linear(y.mean((2, 3)), w[f"{head}.weight"], w[f"{head}.bias"]))
            states.append([y])
        before = [y for state in range(1, len(states)) if state not in read for y in states[state]]
    return answers


@pytest.mark.parametrize("seed", range(6))
def test_every_exit_equals_its_definition(seed: int) -> None:
    network = drawn(seed)
    graph = read_anytime(network)
    w, x = weights(graph), torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1)).double()
    answers, expected = Network(graph).answers(x, w), naive(network, w, x)
    assert len(answers) == len(expected) == len(graph.exits) == 6
    for ours, theirs in zip(answers, expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(Network(graph)(x, w), answers[-1])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_parameters_by_a_closed_form(operation: str) -> None:
    graph = read_anytime(
        document([node("conv_1x1", 1, 0)], [node(operation, 2, 0, leaves=True)], num_classes=3)
    )
    square = int(operation[-1]) ** 2 if operation.startswith("conv") else 0
    stem, first = 27 * 4 + 8, 4 * 8 + 16 + 8 * 8 + 16
    second = 8 * 16 + 32 + square * 16 * 16 + (32 if square else 0)
    assert graph.num_parameters == stem + first + second + 16 * 3 + 3


def test_an_exit_costs_what_it_needs_and_earlier_exits_have_been_paid() -> None:
    blocks = [
        [node("conv_3x3", 0, 0, leaves=True), node("conv_5x5", 2, 0)],
        [node("conv_1x1", 2, 0, leaves=True)],
    ]
    graph = read_anytime(document(*blocks, num_classes=3))
    stem, join, side = 27 * 4 * 256, 4 * 4 * 256, 16
    first = stem + join + 9 * 16 * side**2 + 4 * 3
    # The exit that has answered is paid; so is the node behind it, which the block's end reads.
    second = first + 4 * 16 * 16 + 25 * 16 * 16 * 16 + (4 + 16) * 16 * 16 + 16 * 16 * 16 + 16 * 3
    # Its first node is a state that no node reads, and so is its second.
    assert [cost.multiply_adds for cost in exit_costs(graph)] == [first, second]
    assert multiply_adds(graph) == second
    assert [cost.parameters for cost in exit_costs(graph)] == [
        (f"{name}.weight", f"{name}.bias") for name in graph.exits
    ]


def test_a_node_that_leads_to_no_exit_is_not_computed() -> None:
    blocks = [[node("conv_3x3", 0, 0, leaves=True), node("conv_5x5", 0, 1)]]
    names = {parameter.name for parameter in read_anytime(document(*blocks)).all_parameters()}
    assert any(name.startswith("blocks.0.0.") for name in names)
    assert not any(name.startswith("blocks.0.1.") for name in names)


def test_the_graph_survives_as_a_document() -> None:
    graph = read_anytime(drawn(0))
    again = read_document(json.loads(json.dumps(graph_document(graph))))
    assert graph_digest(again) == graph_digest(graph)
    assert again.exits == graph.exits


def test_what_a_ghn_is_told() -> None:
    first = [node("conv_3x3", 0, 0, leaves=True), node("conv_1x1", 2, 0, 1)]
    graph = read_anytime(document(first, [node("conv_1x1", 2, 0, leaves=True)]))
    primitives = to_primitives(graph)
    rows = zip(primitives.names, primitives.resolutions, primitives.exits, strict=True)
    marks = {name: (resolution, exit_) for name, resolution, exit_ in rows}
    assert marks["stem.0.weight"] == (0, False)
    assert marks["blocks.0.0.3.weight"] == (0, True)
    assert marks["blocks.0.1.3.weight"] == (2, False)
    targets = {target.parameter.name: target for target in primitives.targets}
    joined = targets["blocks.0.1.0.weight"]
    assert [(primitives.names[source], channels) for source, channels in joined.edges] == [
        ("stem.2.at_2", 4),
        ("blocks.0.0.5.at_2", 4),
    ]
    for name in graph.exits:
        assert targets[f"{name}.weight"].decoding is Decoding.CLASS_WEIGHT
        assert targets[f"{name}.bias"].decoding is Decoding.CLASS_BIAS


def test_parts_that_are_not_those_of_the_join_are_refused() -> None:
    described = graph_document(read_anytime(drawn(0)))
    conv = next(entry for entry in described["nodes"] if "parts" in entry.get("attrs", {}))
    conv["attrs"]["parts"] = [1, *conv["attrs"]["parts"]]
    with pytest.raises(InvalidArchitecture) as caught:
        read_document(described)
    assert caught.value.extra["node"] == conv["name"]


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (document([node("conv_1x1", 0, 1, leaves=True)]), "/blocks/0/0/inputs/0"),
        (document([node("conv_1x1", 0, 0, 0, leaves=True)]), "/blocks/0/0/inputs"),
        (document([node("conv_9x9", 0, 0, leaves=True)]), "/blocks/0/0/operation"),
        (document([node("conv_1x1", 0, 0)]), "/blocks/0"),
        (document([node("conv_1x1", 0, 0)], [node("conv_1x1", 0, 0, leaves=True)]), "/blocks/1/0/scale"),
        (document([node("conv_1x1", 0, 0, leaves=True)], image_size=18), "/image_size"),
    ],
)
def test_what_is_no_network_is_refused_by_its_field(broken: Document, field: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        read_anytime(broken)
    assert caught.value.extra["field"] == field


def test_the_space_draws_networks_of_the_papers_size_and_smaller_ones_for_training() -> None:
    random = Random(0)
    sample = AnytimeSpace().sample(random)
    assert [len(block) for block in sample["blocks"]] == [24, 16, 8]
    assert [sum(entry.get("exit", False) for entry in block) for block in sample["blocks"]] == [2, 2, 2]
    sizes = [len(AnytimeSpace(random_sizes=True).sample(random)["blocks"][0]) for _ in range(40)]
    assert min(sizes) < 8 and max(sizes) > 16
    changed = AnytimeSpace().mutate(sample, random)
    assert changed != sample
    exits = [[entry.get("exit") for entry in block] for block in changed["blocks"]]
    assert exits == [[entry.get("exit") for entry in block] for block in sample["blocks"]]
