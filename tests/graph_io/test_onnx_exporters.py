"""Both PyTorch exporters: every parameter by its name; the filled file computes what the network computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import torchvision
from torch import nn

from service.graph_io.onnx_reader import read_onnx
from service.graph_io.onnx_strip import strip_onnx
from service.graph_io.onnx_writer import fill_onnx
from service.graph_io.operators import Primitive
from service.graph_io.primitives import to_primitives
from tests import torchscript_exporter


class Recurrent(nn.Module):
    """Tokens through an embedding, an LSTM and a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 12)
        self.lstm = nn.LSTM(12, 8, num_layers=2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(16, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden, _ = self.lstm(self.embedding(x))
        hidden, _ = self.gru(hidden)
        result: torch.Tensor = self.head(hidden[:, -1])
        return result


class Norms(nn.Module):
    """Norms and activations with parameters, with and without affine ones; a transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.GroupNorm(2, 8),
            nn.PReLU(8),
            nn.ConvTranspose2d(8, 6, 2, stride=2),
            nn.InstanceNorm2d(6, affine=True),
            nn.GELU(approximate="tanh"),
            nn.Conv2d(6, 6, 3, groups=3),
            nn.BatchNorm2d(6, affine=False),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 5),
            nn.LayerNorm(5, elementwise_affine=False),
        )
        self.scale = nn.Parameter(torch.ones(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layers(x) * self.scale
        return result


def vision_transformer() -> nn.Module:
    return torchvision.models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=10
    )


def swin() -> nn.Module:
    return torchvision.models.SwinTransformer(
        patch_size=[4, 4], embed_dim=8, depths=[2, 2], num_heads=[1, 2], window_size=[4, 4], num_classes=10
    )


IMAGE = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
TOKENS = torch.arange(7).reshape(1, 7)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], torch.Tensor]] = {
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=10), IMAGE),
    "mobilenet_v3": (lambda: torchvision.models.mobilenet_v3_small(num_classes=10), IMAGE),
    "convnext": (lambda: torchvision.models.convnext_tiny(num_classes=10), IMAGE),
    "shufflenet": (lambda: torchvision.models.shufflenet_v2_x0_5(num_classes=10), IMAGE),
    "vit": (vision_transformer, IMAGE),
    "swin": (swin, IMAGE),
    "recurrent": (Recurrent, TOKENS),
    "norms": (Norms, IMAGE),
}
# Exported by both exporters in every run of the tests; the others take long.
QUICK = {"norms", "recurrent", "vit"}


def quick_first(*names: str) -> list[Any]:
    """The names as parameters of a test, those that take long marked as slow."""
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in names]


def trained(make: Callable[[], nn.Module]) -> nn.Module:
    """In evaluation mode, with values that no exporter finds equal."""
    torch.manual_seed(0)
    network = make().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return network


def by_torchscript(network: nn.Module, example: torch.Tensor, *, folded: bool, opset: int = 17) -> bytes:
    mode = torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE
    return torchscript_exporter.export(
        network, (example,), training=mode, do_constant_folding=folded, opset_version=opset
    )


def by_dynamo(network: nn.Module, example: torch.Tensor, *, folded: bool) -> bytes:
    program = torch.onnx.export(network, (example,), dynamo=True, optimize=folded, verbose=False)
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


def result_of(data: bytes, example: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: example.numpy()})
    return np.asarray(result)


def check_names_and_results(network: nn.Module, example: torch.Tensor, data: bytes) -> None:
    stripped = strip_onnx(data)
    graph = read_onnx(stripped)
    expected = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    assert {parameter.name: parameter.shape for parameter in graph.parameters()} == expected
    to_primitives(graph)
    filled = fill_onnx(
        stripped, {name: parameter.detach().numpy() for name, parameter in network.named_parameters()}
    )
    with torch.no_grad():
        np.testing.assert_allclose(result_of(filled, example), network(example).numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", quick_first(*NETWORKS))
def test_torchscript_exporter(name: str) -> None:
    make, example = NETWORKS[name]
    network = trained(make)
    check_names_and_results(network, example, by_torchscript(network, example, folded=False))


@pytest.mark.parametrize("name", quick_first("mobilenet_v3", "vit", "norms", "recurrent"))
def test_dynamo_exporter(name: str) -> None:
    make, example = NETWORKS[name]
    network = trained(make)
    check_names_and_results(network, example, by_dynamo(network, example, folded=False))


@pytest.mark.parametrize("exporter", [by_torchscript, pytest.param(by_dynamo, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", quick_first("resnet18", "vit", "mobilenet_v3"))
def test_folded_and_unfolded_files_are_the_same_network(name: str, exporter: Callable[..., bytes]) -> None:
    """Folding turns a norm into a bias and gives transposed weights new names; nothing else changes."""
    make, example = NETWORKS[name]
    network = trained(make)
    whole = read_onnx(exporter(network, example, folded=False))
    folded = read_onnx(exporter(network, example, folded=True))
    norms = sum(
        parameter.numel for node in whole.nodes if node.op == "batch_norm" for parameter in node.params
    )
    assert folded.num_parameters == whole.num_parameters - norms // 2
    kinds = [[Primitive(value) for value in to_primitives(graph).primitive_N] for graph in (whole, folded)]
    for primitive in (
        Primitive.MSA,
        Primitive.CSE,
        Primitive.LN,
        Primitive.SUM,
        Primitive.GLOB_AVG,
        Primitive.CONV,
    ):
        assert kinds[0].count(primitive) == kinds[1].count(primitive)


@pytest.mark.parametrize("opset", [11, 13])
def test_old_opsets(opset: int) -> None:
    """Norms and activations are written out there."""
    layers = (nn.Linear(8, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 4), nn.Hardswish())
    network = trained(lambda: nn.Sequential(*layers))
    graph = read_onnx(by_torchscript(network, torch.zeros(1, 5, 8), folded=False, opset=opset))
    assert [node.op for node in graph.nodes] == [
        "input",
        "linear",
        "layer_norm",
        "activation",
        "linear",
        "activation",
    ]
    assert {parameter.name for parameter in graph.parameters()} == {
        name for name, _ in network.named_parameters()
    }
