"""What is said about a network that an exporter has changed, or that has other classes than the GHN."""

from __future__ import annotations

import io
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from service.ghn.registry import LoadedModel, load_model
from service.graph_io.archgraph import ArchGraph
from service.graph_io.notes import notes_on
from service.graph_io.onnx_reader import read_onnx
from service.graph_io.torch_tracer import trace


def network(norm: bool = True) -> nn.Module:
    def block(inputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, 8, 3, bias=not norm), *([nn.BatchNorm2d(8)] if norm else []), nn.ReLU()]

    model = nn.Sequential(*block(3), *block(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
    return model.eval()


def exported(model: nn.Module, **options: Any) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (torch.zeros(1, 3, 16, 16),), file, **options)
    return file.getvalue()


def test_the_default_export_folds_and_the_line_that_is_named_does_not() -> None:
    folded = notes_on(read_onnx(exported(network(), dynamo=True, verbose=False)), from_onnx=True)
    assert any("no normalisation layers" in note and "optimize=False" in note for note in folded)
    whole = read_onnx(exported(network(), dynamo=True, optimize=False, verbose=False))
    assert notes_on(whole, from_onnx=True) == []
    assert {parameter.name for parameter in whole.parameters()} == dict(network().named_parameters()).keys()


def test_names_that_the_older_exporter_made_are_counted() -> None:
    notes = notes_on(read_onnx(exported(network(), dynamo=False)), from_onnx=True)
    assert any("4 names were made by the exporter (onnx::Conv_" in note for note in notes)


def test_a_module_without_norms_is_what_its_owner_says() -> None:
    assert notes_on(trace(network(norm=False), input_shape=(3, 16, 16)), from_onnx=False) == []


def test_other_classes() -> None:
    graph = trace(network(), input_shape=(3, 16, 16))
    assert notes_on(graph, from_onnx=False, classifiers=[10], classes=(100, 10)) == []
    (note,) = notes_on(graph, from_onnx=False, classifiers=[10, 10], classes=(1000,))
    assert "10 outputs" in note and "1000 classes" in note and "has a part of what it knows" in note
    one, more = notes_on(graph, from_onnx=False, classifiers=[12, 1], classes=(10,))
    assert "has 1 output, and" in one and "the last layer repeats what it knows" in more


class Squeezed(nn.Sequential):
    """Pools behind its last convolution, which a GHN decodes like any other."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 7, 1), nn.AdaptiveAvgPool2d(1))


class Gated(nn.Module):
    """A mixture: its deepest weight may be the gate's."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
        self.experts = nn.ModuleList(nn.Linear(16, 8) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.gate(x).softmax(-1).split(1, dim=-1)
        return first * self.experts[0](x) + second * self.experts[1](x)


class Tied(nn.Module):
    """Its last layer has the weight of its embedding, which no GHN predicts."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 8)
        self.middle, self.last = nn.Linear(8, 8), nn.Linear(8, 11, bias=False)
        self.last.weight = self.words.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.middle(self.words(x)))


class Kept(nn.Sequential):
    """Its last layer is not trainable."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(8, 8), nn.Linear(8, 7))
        self[1].requires_grad_(False)


def notes_for(model: LoadedModel, graph: ArchGraph, *, include_classifier: bool = True) -> list[str]:
    weights = model.predict(graph, include_classifier=include_classifier)
    return model.notes(graph, weights, from_onnx=False)


def test_the_last_layer_is_spoken_of_if_the_ghn_predicted_it_as_one() -> None:
    model = load_model("ghn2-cifar10")
    spoken_of = trace(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 7)), input_shape=(8,))
    (note,) = notes_for(model, spoken_of)
    assert "The network has 7 outputs, and the GHN knows 10 classes" in note
    assert notes_for(model, spoken_of, include_classifier=False) == []
    for module, shape in ((Squeezed(), (3, 12, 12)), (Gated(), (16,)), (Tied(), (5,)), (Kept(), (8,))):
        assert notes_for(model, trace(module, input_shape=shape)) == [], module
