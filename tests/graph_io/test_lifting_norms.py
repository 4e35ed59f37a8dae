"""Norms and activations that a network writes out are the layers that they are; others stay as they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from service.executor.networks import Network
from service.graph_io.archgraph import ArchGraph, AttrValue, Node
from service.graph_io.torch_tracer import trace

CHANNELS, TOKENS, MAPS = 6, (5, 6), (6, 4, 3)


class Written(nn.Module):
    """compute: of the features, a scale and a shift of one number a channel."""

    def __init__(self, compute: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.compute = compute
        self.scale = nn.Parameter(torch.linspace(0.5, 2, CHANNELS))
        self.shift = nn.Parameter(torch.linspace(-1, 1, CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(x, self.scale, self.shift)


def traced(compute: Callable[[Tensor, Tensor, Tensor], Tensor], shape: tuple[int, ...]) -> ArchGraph:
    """The graph, after it was seen to compute what the module computes."""
    module = Written(compute)
    graph = trace(module, input_shape=shape)
    images = torch.randn((2, *shape), generator=torch.Generator().manual_seed(0))
    values = {name: parameter.detach() for name, parameter in module.named_parameters()}
    torch.testing.assert_close(Network(graph)(images, values), module(images).detach())
    return graph


def behind_input(graph: ArchGraph) -> Node:
    """The one node behind the input."""
    assert [node.op for node in graph.nodes[:1]] == ["input"] and len(graph.nodes) == 2
    return graph.nodes[1]


def layer(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt(centred.pow(2).mean(-1, keepdim=True) + 1e-6) * w + b


def layer_by_variance(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    return (x - mean) / (variance + 1e-6).sqrt() * w + b


def channels(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    mean = x.mean(1, keepdim=True)
    variance = (x - mean).pow(2).mean(1, keepdim=True)
    return w[:, None, None] * ((x - mean) / torch.sqrt(variance + 1e-6)) + b[:, None, None]


def root_mean_square(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return w * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6))


def group(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    parts = x.reshape(x.shape[0], 2, -1)
    centred = parts - parts.mean(-1, keepdim=True)
    parts = centred * (centred.pow(2).mean(-1, keepdim=True) + 1e-6).rsqrt()
    return parts.reshape(x.shape) * w.view(1, -1, 1, 1) + b.view(1, -1, 1, 1)


def instance(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    centred = x - x.mean((2, 3), keepdim=True)
    return centred / ((centred * centred).mean((2, 3), keepdim=True) + 1e-6) ** 0.5


@pytest.mark.parametrize(
    ("compute", "shape", "op", "attributes", "roles"),
    [
        (layer, TOKENS, "layer_norm", {"axis": -1}, "weight bias"),
        (layer_by_variance, TOKENS, "layer_norm", {"axis": -1}, "weight bias"),
        (channels, MAPS, "layer_norm", {"axis": 1}, "weight bias"),
        (root_mean_square, TOKENS, "rms_norm", {"axis": -1}, "weight"),
        (group, MAPS, "group_norm", {"groups": 2}, "weight bias"),
        (instance, MAPS, "instance_norm", {}, ""),
    ],
)
def test_a_norm_that_is_written_out_is_one_node(
    compute: Callable[[Tensor, Tensor, Tensor], Tensor],
    shape: tuple[int, ...],
    op: str,
    attributes: dict[str, AttrValue],
    roles: str,
) -> None:
    node = behind_input(traced(compute, shape))
    assert (node.op, node.attrs) == (op, {"eps": 1e-6, **attributes})
    assert [parameter.role for parameter in node.params] == roles.split()


def test_a_shift_behind_a_root_mean_square_norm_is_a_bias() -> None:
    """torch's norm has none."""
    graph = traced(lambda x, w, b: root_mean_square(x, w, b) + b, TOKENS)
    assert [node.op for node in graph.nodes] == ["input", "rms_norm", "bias"]


def test_a_scale_along_another_axis_is_no_part_of_the_norm() -> None:
    graph = traced(lambda x, w, b: layer_by_variance(x.mT, 1, 0) * w[:, None], TOKENS)  # type: ignore[arg-type]
    norm = next(node for node in graph.nodes if node.op == "layer_norm")
    assert norm.params == () and [node.op for node in graph.nodes][-1] == "parameter"


@pytest.mark.parametrize(
    "compute",
    [
        # torch's default variance divides by one less.
        lambda x, w, b: (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-6).sqrt(),
        # The epsilon is outside of the root.
        lambda x, w, b: x / (x.pow(2).mean(-1, keepdim=True).sqrt() + 1e-6),
        # Means along different axes.
        lambda x, w, b: (x - x.mean(1, keepdim=True)) / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt(),
    ],
)
def test_what_only_looks_like_a_norm_stays(compute: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    assert not {"layer_norm", "rms_norm"} & {node.op for node in traced(compute, TOKENS).nodes}


@pytest.mark.parametrize(
    ("compute", "attributes"),
    [
        (lambda x, w, b: x * torch.sigmoid(x), {"kind": "silu"}),
        (lambda x, w, b: x * torch.relu(torch.nn.functional.relu6(x + 3)) / 6, {"kind": "hardswish"}),
        (lambda x, w, b: x * torch.tanh(torch.nn.functional.softplus(x)), {"kind": "mish"}),
        (lambda x, w, b: 0.5 * x * (1 + torch.erf(x / 2**0.5)), {"kind": "gelu"}),
        (
            lambda x, w, b: x * 0.5 * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))),
            {"kind": "gelu", "tanh": True},
        ),
    ],
)
def test_an_activation_that_is_written_out_is_one_node(
    compute: Callable[[Tensor, Tensor, Tensor], Tensor], attributes: dict[str, AttrValue]
) -> None:
    node = behind_input(traced(compute, TOKENS))
    assert (node.op, node.attrs) == ("activation", attributes)


def test_another_gate_of_the_same_kind_stays() -> None:
    graph = traced(lambda x, w, b: x * torch.sigmoid(1.702 * x), TOKENS)
    assert [node.op for node in graph.nodes] == ["input", "unary", "activation", "mul"]


def test_a_vector_behind_a_layer_is_its_bias() -> None:
    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(CHANNELS, 4, 1, bias=False)
            self.offset = nn.Parameter(torch.zeros(4))

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.layer(x) + self.offset.view(1, -1, 1, 1)
            return result

    node = behind_input(trace(Layer(), input_shape=MAPS))
    assert [(own.name, own.role) for own in node.params] == [("layer.weight", "weight"), ("offset", "bias")]
