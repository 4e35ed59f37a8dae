"""One network has one digest, traced from its module or read from its ONNX export."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from service.graph_io.archgraph import ArchGraph
from service.graph_io.digest import forward_hashes, graph_digest
from service.graph_io.onnx_reader import read_onnx
from service.graph_io.torch_tracer import trace


class Function(nn.Module):
    """Layers by name, and what is computed with them."""

    def __init__(self, compute: Callable[[Function, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.compute = compute
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(self, x)


def normalised(inputs: int, outputs: int, kernel: int = 3, **options: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False, **options)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def head(width: int = 8) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(width, 5))


def pools() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding="same"),
        nn.MaxPool2d(3, 2, padding=1),
        nn.AvgPool2d(2),
        nn.AvgPool2d(3, 1, padding=1, count_include_pad=False),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        head(),
    )


def activations() -> nn.Module:
    kinds = (
        nn.GELU(),
        nn.SiLU(),
        nn.Hardswish(),
        nn.ReLU6(),
        nn.LeakyReLU(0.2),
        nn.ELU(),
        nn.Sigmoid(),
        nn.Tanh(),
    )
    layers = [layer for kind in kinds for layer in (nn.Conv2d(8, 8, 1), kind)]
    return nn.Sequential(nn.Conv2d(3, 8, 3), *layers, head())


def gate() -> nn.Module:
    squeeze = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1), nn.Sigmoid()
    )
    return Function(
        lambda m, x: m.head((y := m.stem(x)) * m.squeeze(y)),
        stem=normalised(3, 8),
        squeeze=squeeze,
        head=head(),
    )


def residual() -> nn.Module:
    return Function(
        lambda m, x: m.head(F.relu(m.block(y := m.stem(x)) + m.shortcut(y))),
        stem=normalised(3, 8),
        block=nn.Sequential(normalised(8, 8), nn.Conv2d(8, 8, 3, padding=1)),
        shortcut=nn.Conv2d(8, 8, 1),
        head=head(),
    )


def dense() -> nn.Module:
    def joined(m: Function, x: Tensor) -> Tensor:
        first = m.first(x)
        second = m.second(torch.cat([first], 1))
        return m.head(torch.cat([first, second, x], 1))

    return Function(joined, first=normalised(3, 8), second=normalised(8, 4), head=head(15))


def shuffled() -> nn.Module:
    """Channels in another order, and in parts."""

    def mixed(m: Function, x: Tensor) -> Tensor:
        y = m.stem(x)
        y = y.view(-1, 2, 4, *y.shape[2:]).transpose(1, 2).flatten(1, 2)
        left, right = y.chunk(2, dim=1)
        return m.head(torch.cat([left, m.branch(right)], 1))

    return Function(mixed, stem=normalised(3, 8), branch=normalised(4, 4), head=head())


def perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(48, 16),
        nn.LayerNorm(16, eps=1e-6),
        nn.GELU(),
        nn.Linear(16, 16),
        nn.LogSoftmax(-1),
    )


class ConvNeXtBlock(nn.Module):
    """Channels last inside, and a factor a channel at the end of the branch."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(3, 3, 7, padding=3, groups=3)
        self.norm = nn.LayerNorm(3, eps=1e-6)
        self.layers = nn.Sequential(nn.Linear(3, 12), nn.GELU(), nn.Linear(12, 3))
        self.scale = nn.Parameter(torch.ones(3, 1, 1))
        self.head = nn.Linear(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(self.norm(self.depthwise(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        result: Tensor = self.head((x + self.scale * y).mean((2, 3)))
        return result


class MultiHead(nn.Module):
    """torch's own layer: tokens of (length, batch, width) inside."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layer(x)
        return result


class Attention(nn.Module):
    """fused: by torch's function. windows: of 4 positions, moved by one, as Swin has them."""

    def __init__(self, *, fused: bool = False, windows: bool = False) -> None:
        super().__init__()
        self.fused, self.windows = fused, windows
        self.norm, self.qkv, self.proj = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)
        if windows:
            self.relative_position_bias_table = nn.Parameter(torch.zeros(7, 2))
            self.register_buffer("places", torch.arange(16) % 7, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        shortcut, x = x, self.norm(x)
        if self.windows:
            x = x.roll(-1, 1).reshape(-1, 4, 8)
        n, length, width = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            x = F.scaled_dot_product_attention(q, k, v)
        else:
            scores = (q * 4**-0.5) @ k.transpose(-2, -1)
            if self.windows:
                scores = scores + self.relative_position_bias_table[self.places].view(4, 4, 2).permute(
                    2, 0, 1
                )
            x = scores.softmax(-1) @ v
        x = self.proj(x.transpose(1, 2).reshape(n, length, width))
        if self.windows:
            x = x.reshape(-1, 12, 8).roll(1, 1)
        return shortcut + x


class Written(nn.Module):
    """Norms, activations and a bias that are written out."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 1, bias=False), nn.Linear(8, 5, bias=False)
        self.weight, self.bias = nn.Parameter(torch.ones(8)), nn.Parameter(torch.zeros(8))
        self.scale, self.shift = nn.Parameter(torch.ones(8)), nn.Parameter(torch.zeros(8))
        self.gain, self.offset = nn.Parameter(torch.ones(8)), nn.Parameter(torch.zeros(5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        centred = x - x.mean(1, keepdim=True)
        x = centred / torch.sqrt((centred * centred).mean(1, keepdim=True) + 1e-6)
        x = x * self.weight[:, None, None] + self.bias[:, None, None]
        x = x * torch.sigmoid(x)
        parts = x.view(-1, 2, 4 * 256)
        parts = (parts - parts.mean(-1, keepdim=True)) / (
            parts.var(-1, keepdim=True, correction=0) + 1e-5
        ).sqrt()
        x = parts.view(-1, 8, 16, 16) * self.scale.view(1, -1, 1, 1) + self.shift.view(1, -1, 1, 1)
        x = x.mean((2, 3))
        x = self.gain * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))
        result: Tensor = self.head(x * 0.5 * (1 + torch.erf(x / 2**0.5))) + self.offset
        return result


IMAGE, SMALL = (3, 16, 16), (3, 4, 4)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convolution, norm, activation": (lambda: nn.Sequential(normalised(3, 8, stride=2), head()), IMAGE),
    "residual": (residual, IMAGE),
    "depthwise and grouped": (
        lambda: nn.Sequential(
            normalised(3, 8), normalised(8, 8, groups=8), normalised(8, 8, groups=2, dilation=2), head()
        ),
        IMAGE,
    ),
    "gate": (gate, IMAGE),
    "pools": (pools, (3, 32, 32)),
    "joined": (dense, IMAGE),
    "shuffled": (shuffled, IMAGE),
    "activations": (activations, IMAGE),
    "perceptron": (perceptron, SMALL),
    "ConvNeXt": (ConvNeXtBlock, IMAGE),
    "written out": (Written, IMAGE),
    "multi-head attention": (MultiHead, (12, 8)),
    "fused attention": (lambda: Attention(fused=True), (12, 8)),
    "attention": (Attention, (12, 8)),
    "attention in windows": (lambda: Attention(windows=True), (12, 8)),
}
# Exporting one takes a second or two.
QUICK = {"gate", "written out", "ConvNeXt", "multi-head attention", "attention in windows"}


def by_both(network: nn.Module, shape: tuple[int, ...]) -> tuple[ArchGraph, ArchGraph]:
    example = torch.zeros(1, *shape)
    program = torch.onnx.export(network.eval(), (example,), dynamo=True, optimize=False, verbose=False)
    assert program is not None
    return trace(network, input_shape=shape), read_onnx(program.model_proto.SerializeToString())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in NETWORKS]
)
def test_both_routes_give_one_digest(name: str) -> None:
    make, shape = NETWORKS[name]
    traced, read = by_both(make(), shape)
    hashes = forward_hashes(traced), forward_hashes(read)
    for graph, own, other in ((traced, *hashes), (read, *hashes[::-1])):
        known = set(other.values())
        assert [node for node in graph.nodes if own[node.name] not in known] == []
    assert graph_digest(traced) == graph_digest(read)
