"""Programs: the exact record of what a module computes, by which networks are run that nodes cannot
describe.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from service.errors import InvalidArchitecture, LimitExceeded, ServiceError, UnsupportedOperator
from service.executor.networks import Network
from service.executor.programs import ProgramNetwork
from service.executor.statistics import BatchStatistics
from service.graph_io.archgraph import ArchGraph
from service.graph_io.json_reader import read_json_graph
from service.graph_io.json_writer import graph_document
from service.graph_io.program import BatchCount, Call, Input, Program, Result, before_last_layer
from service.graph_io.torch_tracer import trace
from service.graph_io.torch_tracing.samples import in_batch_statistics
from tests.executor.test_torch_sweep import REFUSED
from tests.executor.torch_layers import LAYERS, Case

# torch's operator draws random numbers in training.
WITHOUT_PROGRAM = frozenset({"rrelu"})


def run(graph: ArchGraph, module: nn.Module, images: Tensor) -> Tensor:
    assert graph.program is not None
    shapes = {parameter.name: parameter.shape for parameter in graph.all_parameters()}
    return ProgramNetwork(graph.program, graph.input_shape, shapes)(images, dict(module.named_parameters()))


def travelled(graph: ArchGraph) -> ArchGraph:
    """The graph after it was written as JSON and read again."""
    return read_json_graph(json.loads(json.dumps(graph_document(graph), allow_nan=False)))


@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.name)
def test_a_program_computes_what_the_layer_computes(case: Case) -> None:
    module, images = in_batch_statistics(case.module()), case.images(3)
    graph = trace(module, input_shape=case.shape, runnable=True)
    assert (graph.program is None) == (case.name in WITHOUT_PROGRAM)
    if graph.program is None:
        return
    with torch.no_grad():
        expected = module(images)
        result = run(travelled(graph), module, images)
    assert result.shape == expected.shape
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize(
    "case", [case for case in LAYERS if case.name in REFUSED - WITHOUT_PROGRAM], ids=lambda case: case.name
)
def test_a_network_that_its_nodes_do_not_describe_runs_by_its_program(case: Case) -> None:
    module, images = case.module().eval(), case.images(2)
    with torch.no_grad():
        expected = module(images)
        result = Network(trace(module, input_shape=case.shape, runnable=True))(
            images, dict(module.named_parameters())
        )
    torch.testing.assert_close(result, expected.float(), rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


class Shifted(nn.Module):
    """Rolls its features by half of the batch's size, which no other batch has."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).roll(x.shape[0] // 2, 1)


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) + 1 if x.shape[0] > 100 else x.flatten(1)


class Looking(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) * (2 if float(x.sum()) > 0 else 3)


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) + torch.randn(x.shape[0], 1)


class Overwriting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sub_(1).flatten(1)


@pytest.mark.parametrize(
    "module",
    [Shifted(), Branching(), Looking(), Noisy(), Overwriting()],
    ids=lambda module: type(module).__name__,
)
def test_a_network_that_is_another_one_for_other_batches_has_no_program(module: nn.Module) -> None:
    network = nn.Sequential(module, nn.Linear(4, 4))
    assert trace(network, input_shape=(4,), runnable=True).program is None


class Table(nn.Module):
    """A weight that is read through a buffer, a part that is written, and a list of indices."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(5, 3))
        self.register_buffer("index", torch.tensor([4, 0, 2]))
        self.scale = nn.Parameter(torch.tensor([2.0, 3.0, 4.0]), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        bias = self.table[self.index].sum(0) * self.scale
        y = (x + bias).clone()
        y[:, [0, 2]] = y[:, [2, 0]] * 2
        return y


def test_buffers_and_kept_parameters_travel_with_their_values() -> None:
    module = Table()
    graph = travelled(trace(module, input_shape=(3,), runnable=True))
    x = torch.randn(7, 3)
    result = Network(graph)(x, {"table": module.table})
    torch.testing.assert_close(result, module(x))
    gradient = torch.autograd.grad(result.square().sum(), module.table)
    torch.testing.assert_close(gradient, torch.autograd.grad(module(x).square().sum(), module.table))


def test_batch_norms_of_a_program_gather_statistics_by_the_names_of_their_modules() -> None:
    class Standardised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))
            self.norm = nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(F.conv2d(x, self.weight - self.weight.mean())).mean((2, 3))

    module = Standardised()
    network = Network(trace(module, input_shape=(3, 8, 8), runnable=True))
    ((name, path),) = network.batch_norms
    assert path == "norm"
    x, params, statistics = torch.randn(16, 3, 8, 8), dict(module.named_parameters()), BatchStatistics()
    in_batch = network(x, params, statistics)
    statistics.gathering = False
    module.norm.running_mean, module.norm.running_var = statistics.of(name)
    torch.testing.assert_close(network(x, params, statistics), module.eval()(x))
    torch.testing.assert_close(in_batch, module.train()(x))


def program_of(*calls: Call) -> ArchGraph:
    """A graph with a program of its own, and nodes that do not say what it computes."""
    graph = trace(nn.Sequential(nn.Linear(4, 4), Noisy()), input_shape=(4,))
    return dataclasses.replace(graph, program=Program(calls, Result(len(calls) - 1)))


@pytest.mark.parametrize(
    "call",
    [
        Call("from_file.default", ("/etc/passwd",)),
        Call("rand.default", ((2, 2),)),
        Call("add.out", (Input(), Input())),
        Call("nothing.default"),
        Call("add.nothing", (Input(), Input())),
        Call("__init__.default"),
    ],
    ids=lambda call: call.function,
)
def test_functions_that_are_not_listed_are_refused_by_name(call: Call) -> None:
    with pytest.raises(UnsupportedOperator, match=call.function.replace(".", "[.]")):
        Network(program_of(call))


@pytest.mark.parametrize(
    "call",
    [
        Call("mul.Tensor", (Input(), "two")),
        Call("zeros.default", ((2**20, 2**20),)),
        Call("view.default", (Input(), (BatchCount(3), 7))),
        Call("mm.default", (Input(), Input())),
    ],
    ids=str,
)
def test_calls_that_torch_refuses_or_whose_results_are_huge_are_refused_at_once(call: Call) -> None:
    with pytest.raises(UnsupportedOperator, match=f"Call 0 of the program, {call.function}"):
        Network(program_of(call))


def test_memory_that_nobody_filled_is_zero() -> None:
    graph = program_of(Call("empty.memory_format", ((BatchCount(1), 64),)))
    assert not Network(graph)(torch.randn(3, 4), {}).any()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda d: d["calls"][0].pop(1), "/program/calls/0"),
        (lambda d: d["calls"][1][1].__setitem__(0, {"result": [1, 0]}), "/program/calls/1/1/0/result/0"),
        (lambda d: d["calls"][0][1].__setitem__(0, {"file": "x"}), "/program/calls/0/1/0"),
        (lambda d: d["calls"][0][1].__setitem__(0, {"format": "pickle"}), "/program/calls/0/1/0/format"),
        (lambda d: d["output"].__setitem__(0, 99), "/program/output/0"),
        (lambda d: d["constants"][0].__setitem__("shape", [2**40]), "/program/constants/0/shape"),
        (lambda d: d["constants"][0].__setitem__("shape", [4]), "/program/constants/0/data"),
        (lambda d: d["constants"][0].__setitem__("data", "!"), "/program/constants/0/data"),
    ],
)  # fmt: skip
def test_a_broken_program_is_refused_by_the_field(change: Any, field: str) -> None:
    document = graph_document(trace(Table(), input_shape=(3,), runnable=True))
    change(document["program"])
    with pytest.raises((InvalidArchitecture, LimitExceeded)) as caught:
        read_json_graph(document)
    assert caught.value.extra["field"] == field
    assert isinstance(caught.value, ServiceError)


@pytest.mark.parametrize("bias", [True, False])
def test_features_are_the_program_before_the_last_layer(bias: bool) -> None:
    module = nn.Sequential(Table(), nn.Linear(3, 5, bias=bias))
    graph = trace(module, input_shape=(3,), runnable=True)
    assert graph.program is not None
    before = before_last_layer(graph.program, "1.weight", "1.bias" if bias else None)
    assert before is not None
    x = torch.randn(7, 3)
    params = dict(module.named_parameters())
    features = Network(dataclasses.replace(graph, program=before, sample=None))(x, params)
    torch.testing.assert_close(features, module[0](x))


def test_a_network_that_goes_on_behind_its_linear_layer_has_no_last_layer() -> None:
    module = nn.Sequential(Table(), nn.Linear(3, 5), nn.ReLU())
    program = trace(module, input_shape=(3,), runnable=True).program
    assert program is not None and before_last_layer(program, "1.weight", "1.bias") is None
    assert before_last_layer(program, "0.table", None) is None
