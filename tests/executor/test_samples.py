"""A network answers for a sample what its owner's network answers, or it is not run."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from service.errors import InvalidArchitecture, LimitExceeded, UnsupportedOperator
from service.executor.networks import Network
from service.executor.node_network import NodeNetwork
from service.executor.programs import ProgramNetwork
from service.graph_io.archgraph import ArchGraph
from service.graph_io.json_reader import read_json_graph
from service.graph_io.json_writer import graph_document
from service.graph_io.torch_tracer import trace


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.LeakyReLU(0.3), nn.Conv2d(8, 8, 3), nn.GELU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip


def without_program(graph: ArchGraph) -> ArchGraph:
    return dataclasses.replace(graph, program=None)


def altered(graph: ArchGraph, op: str, **attrs: Any) -> ArchGraph:
    """The graph with other attributes at the first node of an operator: a reader that got it wrong."""
    index = next(index for index, node in enumerate(graph.nodes) if node.op == op)
    node = dataclasses.replace(graph.nodes[index], attrs={**graph.nodes[index].attrs, **attrs})
    return dataclasses.replace(graph, nodes=(*graph.nodes[:index], node, *graph.nodes[index + 1 :]))


def test_a_network_that_answers_its_sample_is_run_from_its_nodes() -> None:
    graph = trace(module(), input_shape=(3, 12, 12), runnable=True)
    assert graph.sample is not None and len(graph.sample.output) == 4 * 5
    assert [path for path, _ in graph.sample.layers] == ["0", "1", "3", "7"]
    travelled = read_json_graph(json.loads(json.dumps(graph_document(graph))))
    assert travelled.sample == graph.sample
    assert isinstance(Network(travelled)._runner, NodeNetwork)


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"op": "activation", "negative_slope": 0.01}, "3"),
        ({"op": "conv", "padding": 0}, "0"),
        ({"op": "batch_norm", "eps": 1.0}, "1"),
    ],
    ids=str,
)
def test_a_network_that_answers_otherwise_is_refused_by_its_first_layer(
    change: dict[str, Any], first: str
) -> None:
    graph = altered(trace(module(), input_shape=(3, 12, 12), runnable=True), **change)
    with pytest.raises(
        UnsupportedOperator, match="computes something else than the network that was sent"
    ) as caught:
        Network(without_program(graph))
    node = next(node for node in graph.nodes if node.name == caught.value.extra["node"])
    assert node.params[0].name == f"{first}.weight"
    # What was recorded exactly is run instead.
    assert isinstance(Network(graph)._runner, ProgramNetwork)


def test_a_program_that_answers_otherwise_is_refused() -> None:
    graph = altered(trace(module(), input_shape=(3, 12, 12), runnable=True), "conv", padding=0)
    other = trace(nn.Sequential(*module(), nn.ReLU()), input_shape=(3, 12, 12), runnable=True)
    with pytest.raises(UnsupportedOperator, match="answers differ by"):
        Network(dataclasses.replace(graph, program=other.program))


def test_a_module_is_as_it_was_before() -> None:
    network = module().train()
    network[3].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    drawn = torch.get_rng_state()
    trace(network, input_shape=(3, 12, 12), runnable=True)
    assert [part.training for part in network] == [True, True, True, False, True, True, True, True]
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(part._forward_hooks for part in network.modules())


def test_a_kept_parameter_takes_part_with_its_own_value() -> None:
    network = module()
    network[0].requires_grad_(False)
    runs = Network(trace(network, input_shape=(3, 12, 12), runnable=True))
    x = torch.randn(4, 3, 12, 12)
    trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
    torch.testing.assert_close(runs(x, trained), network(x))


class Exploding(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) / 0


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "meta":
            raise RuntimeError("no")
        return x.flatten(1)


@pytest.mark.parametrize("last", [Exploding(), Failing()], ids=lambda last: type(last).__name__)
def test_a_network_without_an_answer_is_traced_all_the_same(last: nn.Module) -> None:
    graph = trace(nn.Sequential(nn.Linear(3, 3), last), input_shape=(3,), runnable=True)
    assert graph.sample is None and graph.program is not None


@pytest.mark.parametrize(
    ("sample", "field"),
    [
        ({"output": ["one"]}, "/sample/output/0"),
        ({"output": [1.0] * 5000}, "/sample/output"),
        ({"output": [], "layers": []}, "/sample/layers"),
        ({"output": [], "layers": {"a": None}}, "/sample/layers/a"),
        ({}, "/sample"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_broken_sample_is_refused_by_the_field(sample: Any, field: str) -> None:
    document = {**graph_document(trace(module(), input_shape=(3, 12, 12))), "sample": sample}
    with pytest.raises((InvalidArchitecture, LimitExceeded)) as caught:
        read_json_graph(document)
    assert caught.value.extra["field"] == field


class Remembering(nn.Module):
    """Computes its bias once in evaluation, and keeps it in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.arange(3.0))
        self.memory: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        if "bias" not in self.memory:
            self.memory["bias"] = self.bias * 2
        return x + self.memory["bias"]


def test_what_a_module_remembers_is_not_the_samples() -> None:
    network = nn.Sequential(nn.Linear(3, 3), Remembering())
    runs = Network(trace(network, input_shape=(3,), runnable=True))
    assert network[1].memory == {}
    x = torch.randn(4, 3)
    torch.testing.assert_close(runs(x, dict(network.named_parameters())), network(x))
