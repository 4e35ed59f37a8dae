"""A module that stays as it is is traced once; one that changed, in whatever way, is traced again."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from service.errors import InvalidArchitecture, LimitExceeded
from service.graph_io.limits import DEFAULT_LIMITS
from service.graph_io.torch_tracer import trace, trace_once, trace_torchvision
from service.graph_io.torch_tracing.fingerprint import fingerprint

IMAGE = (3, 16, 16)
CALLS: list[int] = []


@dataclass
class Options:
    depth: int = 1


class Net(nn.Module):
    """Everything that a forward pass may read; calls are counted outside of it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.layers = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1) for _ in range(3))
        self.norm = nn.BatchNorm2d(8)
        self.options = Options()
        self.table = {"pool": [2]}
        self.between: Callable[[Tensor], Tensor] = torch.relu
        self.register_buffer("shift", torch.zeros(8, 1, 1))
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        CALLS.append(1)
        x = self.between(self.norm(self.stem(x))) + self.shift
        for layer in self.layers[: self.options.depth]:
            x = self.between(layer(x))
        x = nn.functional.max_pool2d(x, self.table["pool"][0])
        return self.head(x.mean((2, 3)))


def shorter(self: Net, x: Tensor) -> Tensor:
    return self.head(self.stem(x).mean((2, 3)))


def set_to(net: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(net, name, value)


CHANGES: dict[str, Callable[[Net], Any]] = {
    "a layer is replaced": lambda net: set_to(net, stem=nn.Conv2d(3, 8, 5, padding=2)),
    "a parameter gets another shape": lambda net: set_to(
        net.head, weight=nn.Parameter(torch.zeros(7, 8)), bias=nn.Parameter(torch.zeros(7))
    ),
    "data of another shape": lambda net: set_to(
        net.head, weight=nn.Parameter(torch.zeros(4, 8)), bias=None
    ),
    "a stride is set": lambda net: set_to(net.stem, stride=(2, 2)),
    "a layer is added": lambda net: net.layers.insert(0, nn.Conv2d(8, 8, 1)),
    "a layer is taken away": lambda net: net.layers.__delitem__(0),
    "a parameter is kept": lambda net: net.stem.weight.requires_grad_(False),
    "an object of the module changes": lambda net: set_to(net.options, depth=3),
    "a list in a dictionary changes": lambda net: net.table["pool"].__setitem__(0, 4),
    "another function": lambda net: set_to(net, between=torch.sigmoid),
    "a function with another argument": lambda net: set_to(
        net, between=partial(nn.functional.leaky_relu, negative_slope=0.3)
    ),
    "a buffer gets another shape": lambda net: set_to(net, shift=torch.zeros(8, 16, 16)),
    "a hook": lambda net: net.norm.register_forward_hook(lambda module, args, out: torch.tanh(out)),
    "its own forward": lambda net: set_to(net, forward=partial(shorter, net)),
    "layers share a weight": lambda net: set_to(net.layers[0], weight=net.layers[1].weight),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_module_is_traced_again(change: Callable[[Net], Any]) -> None:
    net = Net()
    before = trace_once(net, input_shape=IMAGE)
    change(net)
    after = trace_once(net, input_shape=IMAGE)
    assert after is not before
    assert after == trace(net, input_shape=IMAGE)


def test_the_class_gets_another_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net()
    before = trace_once(net, input_shape=IMAGE)
    monkeypatch.setattr(Net, "forward", shorter)
    assert trace_once(net, input_shape=IMAGE) == trace(net, input_shape=IMAGE) != before


def test_the_class_gets_another_attribute_or_method(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deep(nn.Module):
        depth = 1

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def step(self, x: Tensor) -> Tensor:
            return torch.relu(self.layer(x))

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(self.depth):
                x = self.step(x)
            return x

    net = Deep()
    before = trace_once(net, input_shape=(4,))
    monkeypatch.setattr(Deep, "depth", 2)
    deeper = trace_once(net, input_shape=(4,))
    assert len(deeper.nodes) > len(before.nodes)
    monkeypatch.setattr(Deep, "step", lambda self, x: torch.tanh(self.layer(x)))
    assert trace_once(net, input_shape=(4,)) == trace(net, input_shape=(4,)) != deeper


def test_a_variable_of_a_function_changes() -> None:
    net, slope = Net(), 0.1

    def between(x: Tensor) -> Tensor:
        return nn.functional.leaky_relu(x, slope)

    net.between = between
    before = trace_once(net, input_shape=IMAGE)
    slope = 0.2
    assert trace_once(net, input_shape=IMAGE) is not before


def test_an_unchanged_module_does_not_run_again() -> None:
    net = Net()
    graph = trace_once(net, input_shape=IMAGE)
    calls = len(CALLS)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1)
    net.head.weight = nn.Parameter(torch.ones(4, 8))
    assert trace_once(net, input_shape=list(IMAGE)) is graph
    assert len(CALLS) == calls
    assert graph == trace(net, input_shape=IMAGE)


def test_inputs_and_modes_have_graphs_of_their_own() -> None:
    net = Net()
    small, large = (trace_once(net, input_shape=(3, side, side)) for side in (16, 32))
    assert (small.input_shape, large.input_shape) == ((3, 16, 16), (3, 32, 32))
    assert trace_once(net, input_shape=(3, 16, 16)) is small
    assert trace_once(net).input_shape == (3, 224, 224)
    evaluating = trace_once(net.eval(), input_shape=IMAGE)
    assert evaluating == trace(net, input_shape=IMAGE)
    assert trace_once(net.train(), input_shape=IMAGE) is small


class Halting(nn.Module):
    """Its graph is as long as a number says."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("rounds", torch.tensor(1))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(int(self.rounds)):
            x = torch.relu(self.layer(x))
        return x


def test_a_module_that_looks_at_its_numbers_is_traced_every_time() -> None:
    net = Halting()
    once = trace_once(net, input_shape=(4,))
    net.rounds.fill_(3)
    assert trace_once(net, input_shape=(4,)) == trace(net, input_shape=(4,)) != once


def test_what_cannot_be_seen_into_is_traced_every_time() -> None:
    net = Net()
    net.table = {"pool": [2], "generator": torch.Generator()}
    assert fingerprint(net) is None
    graph = trace_once(net, input_shape=IMAGE)
    assert trace_once(net, input_shape=IMAGE) is not graph


def test_failures_are_those_of_trace() -> None:
    with pytest.raises(InvalidArchitecture, match="could not be run"):
        trace_once(Net(), input_shape=(5, 16, 16))
    with pytest.raises(InvalidArchitecture, match="not a torch"):
        trace_once(Net)  # type: ignore[arg-type]
    with pytest.raises(InvalidArchitecture, match="no shape yet"):
        trace_once(nn.Sequential(nn.LazyLinear(3)))
    with pytest.raises(InvalidArchitecture, match="scripted"):
        trace_once(torch.jit.script(nn.Linear(2, 2)))


def test_a_module_is_freed_all_the_same() -> None:
    net = Net()
    net.back = [net, net.forward]  # a cycle, and a method that leads back
    graph = trace_once(net, input_shape=IMAGE)
    assert trace_once(net, input_shape=IMAGE) is graph
    dead = weakref.ref(net)
    del net
    gc.collect()
    assert dead() is None


def test_a_name_of_torchvision_is_traced_once() -> None:
    graph = trace_torchvision("squeezenet1_1")
    assert trace_torchvision("squeezenet1_1") is graph
    few = trace_torchvision("squeezenet1_1", num_classes=10)
    assert few.num_parameters < graph.num_parameters
    assert trace_torchvision("squeezenet1_1", image_size=64).input_shape == (3, 64, 64)
    for _ in range(2):
        with pytest.raises(LimitExceeded):
            trace_torchvision("squeezenet1_1", limits=replace(DEFAULT_LIMITS, max_parameters=1000))
        with pytest.raises(InvalidArchitecture):
            trace_torchvision("squeezenet9")
