"""What a fine-tuning reports is what the file answers that it returns: onnxruntime says so, to the image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3
from torchvision.models.resnet import Bottleneck

from service.executor.networks import Network
from service.executor.onnx_check import check_onnx
from service.graph_io.archgraph import ArchGraph
from service.graph_io.onnx_writer import fill_trained_onnx
from service.graph_io.read import read_document
from service.graph_io.torch_tracer import trace
from tests.torchscript_exporter import export
from training.data.load import load_dataset
from training.finetune.config import FineTuning
from training.finetune.run import WEIGHTS, run

SHAPE = (3, 16, 16)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class ViT(nn.Module):
    """A small vision transformer with torch's fused attention."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, 17, width))
        self.blocks = nn.Sequential(Attention(width, 4), Attention(width, 2))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(x.shape[0], -1, -1), tokens], 1) + self.position
        return self.head(self.blocks(tokens)[:, 0])


class UNet(nn.Module):
    """Down, and up again with a transposed convolution, beside a skip; then a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.down = nn.Sequential(nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU())
        self.up = nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1)
        self.last = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        joined = torch.cat([first, self.up(self.down(first))], 1)
        return self.head(self.last(joined).mean((2, 3)))


class ResNeXt(nn.Module):
    """Two of torchvision's bottlenecks, with convolutions in groups; the second has a skip connection of its
    own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        skip = nn.Sequential(nn.Conv2d(64, 128, 1, 2, bias=False), nn.BatchNorm2d(128))
        self.blocks = nn.Sequential(
            Bottleneck(64, 16, groups=8, base_width=32),
            Bottleneck(64, 32, stride=2, downsample=skip, groups=8, base_width=32),
        )
        self.head = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.first(x)).mean((2, 3)))


def mobilenet_v3() -> nn.Module:
    """Three of the blocks of torchvision's small one: with squeezing, without, and with a hard swish."""
    blocks = [
        InvertedResidualConfig(16, 3, 16, 16, True, "RE", 2, 1, 1.0),
        InvertedResidualConfig(16, 3, 72, 24, False, "RE", 2, 1, 1.0),
        InvertedResidualConfig(24, 5, 96, 40, True, "HS", 2, 1, 1.0),
    ]
    return MobileNetV3(blocks, last_channel=64, num_classes=10)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "U-Net": UNet, "ViT": ViT, "ResNeXt": ResNeXt, "MobileNetV3": mobilenet_v3
}  # fmt: skip


def exported(module: nn.Module) -> bytes:
    """As an ONNX file whose batch norms are kept."""
    options: dict[str, Any] = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    names = {"input_names": ["images"], "dynamic_axes": {"images": {0: "batch"}}}
    return export(module.eval(), (torch.zeros(2, *SHAPE),), **names, **options)


def tuned(graph: ArchGraph, folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    config = FineTuning(epochs=1, images=96, batch_size=32, learning_rate=0.005, start="random")
    result = run(graph, config, folder)
    assert result is not None
    return result, load_file(folder / WEIGHTS)


def accuracy(onnx_file: bytes) -> float:
    """In percent, of the test images of the digits, by onnxruntime."""
    dataset = load_dataset("digits", image_size=SHAPE[-1])
    session = onnxruntime.InferenceSession(onnx_file, providers=["CPUExecutionProvider"])
    images = dataset.normalise(dataset.test.images_NCHW).numpy()
    (logits,) = session.run(None, {session.get_inputs()[0].name: images})
    labels = dataset.test.labels_N
    return round(100 * int((torch.from_numpy(logits).argmax(1) == labels).sum()) / len(labels), 3)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_module_answers_what_was_reported_of_it(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = NETWORKS[name]()
    result, weights = tuned(trace(module, input_shape=SHAPE, runnable=True), tmp_path / "run")
    state = {key: torch.from_numpy(value) for key, value in weights.items()}
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing)
    assert accuracy(exported(module)) == result["test_accuracy"]


@pytest.mark.parametrize("name", NETWORKS)
def test_an_onnx_file_answers_what_was_reported_of_it(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = exported(NETWORKS[name]())
    graph = read_document(source, runnable=True)
    assert check_onnx(Network(graph), source)
    result, weights = tuned(graph, tmp_path / "run")
    assert accuracy(fill_trained_onnx(source, weights)) == result["test_accuracy"]
