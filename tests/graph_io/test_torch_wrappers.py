"""Modules inside wrappers, compiled ones and exported ones: the same network as the module itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from service.executor.networks import Network
from service.executor.node_network import NodeNetwork
from service.graph_io.archgraph import ArchGraph
from service.graph_io.torch_tracer import trace, trace_once

IMAGE = (3, 12, 12)
BATCH = {0: torch.export.Dim("batch")}


def module() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip


def compiled(model: nn.Module) -> nn.Module:
    return torch.compile(model)  # type: ignore[return-value]


def compiled_in_place(model: nn.Module) -> nn.Module:
    model.compile()
    return model


def compiled_part(model: nn.Module) -> nn.Module:
    assert isinstance(model, nn.Sequential)
    model[3] = compiled(model[3])
    return model


def wrapped_part(model: nn.Module) -> nn.Module:
    assert isinstance(model, nn.Sequential)
    model[3] = nn.DataParallel(compiled(model[3]))
    return model


WRAPPERS = [
    nn.DataParallel, compiled, lambda model: nn.DataParallel(compiled(model)), compiled_in_place,
    compiled_part, wrapped_part,
]  # fmt: skip


def nodes(graph: ArchGraph) -> list[tuple[str, dict[str, Any], list[tuple[int, ...]]]]:
    """What a graph computes, without names."""
    return [
        (node.op, dict(node.attrs), [parameter.shape for parameter in node.params]) for node in graph.nodes
    ]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_wrapped_module_is_the_module(wrap: Callable[[nn.Module], nn.Module]) -> None:
    wanted = trace(module(), input_shape=IMAGE)
    model = wrap(module())
    children, attributes = list(model.modules()), [dict(vars(each)) for each in model.modules()]
    graph = trace_once(model, input_shape=IMAGE)
    assert nodes(graph) == nodes(wanted)
    assert {parameter.name for parameter in graph.parameters()} == dict(model.named_parameters()).keys()
    assert list(model.modules()) == children
    assert [dict(vars(each)) for each in model.modules()] == attributes


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_wrapped_module_is_run_as_the_module_is(wrap: Callable[[nn.Module], nn.Module]) -> None:
    """What it answers for the sample is compared with what the graph computes."""
    graph = trace(wrap(module()), input_shape=IMAGE, runnable=True)
    assert graph.sample is not None and len(graph.sample.layers) == 4
    owners = {parameter.name.rpartition(".")[0] for parameter in graph.parameters()}
    assert {path for path, _ in graph.sample.layers} == owners
    assert isinstance(Network(graph)._runner, NodeNetwork)


class Layers(nn.Module):
    """Layers whose operators take their arguments in another order than torch.nn.functional, or are stricter
    about them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(3, 8, 3, padding=1), nn.ConvTranspose2d(8, 8, 2, 2)
        self.norms = nn.Sequential(nn.BatchNorm2d(8), nn.InstanceNorm2d(8, affine=True), nn.GroupNorm(2, 8))
        self.slope, self.last = nn.PReLU(8), nn.LayerNorm(8)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.slope(self.up(self.norms(self.conv(x))))
        x = nn.functional.avg_pool2d(nn.functional.max_pool2d(x, 2), 2)[:, :, 1:]
        x = self.last(nn.functional.gelu(x).flatten(2).transpose(1, 2))
        result: Tensor = self.head(x.mean(1))
        return result


def exported(model: nn.Module, example: Tensor, **options: Any) -> Any:
    return torch.export.export(model.eval(), (example,), **options)


@pytest.mark.parametrize("build", [Layers, module])
@pytest.mark.parametrize(
    ("batch", "options"),
    [(1, {}), (2, {}), (2, {"dynamic_shapes": (BATCH,)})],
    ids=["batch of one", "batch of two", "any batch"],
)
def test_an_exported_module_is_the_module(
    build: Callable[[], nn.Module], batch: int, options: dict[str, Any]
) -> None:
    model = build()
    wanted = nodes(trace(model, input_shape=(3, 16, 16)))
    program = exported(model, torch.zeros(batch, 3, 16, 16), **options)
    if "dynamic_shapes" in options:
        assert nodes(trace(program.module())) == wanted
    assert [op for op, _, _ in nodes(trace(program.module()))] == [op for op, _, _ in wanted]
    assert trace(program.module(), input_shape=(3, 16, 16)) == trace(program.module())
    names = {parameter.name for parameter in trace(program.module()).parameters()}
    assert names == dict(model.named_parameters()).keys()


def test_an_exported_module_tells_all_its_inputs() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 4), nn.Linear(5, 4)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            result: Tensor = self.a(x) + self.b(y)
            return result

    program = torch.export.export(Two(), (torch.zeros(1, 3), torch.zeros(1, 5)))
    assert [node.op for node in trace(program.module()).nodes] == [
        "input",
        "input",
        "linear",
        "linear",
        "add",
    ]


def shortest() -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(3, 8, 2, 2), nn.GroupNorm(2, 8), nn.Flatten(2), nn.LayerNorm(256))


@pytest.mark.parametrize("build", [shortest, module, torchvision.models.squeezenet1_1])
def test_layers_are_layers_also_in_core_operators(build: Callable[[], nn.Module]) -> None:
    """`run_decompositions` leaves convolutions and norms of another form."""
    shape = (3, 8, 8) if build is shortest else (3, 64, 64)
    model = build()
    program = exported(model, torch.zeros(1, *shape)).run_decompositions()
    assert nodes(trace(program.module())) == nodes(trace(model, input_shape=shape))
