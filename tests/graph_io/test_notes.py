"""What is said about a network that an exporter has changed, or that has other classes than the GHN."""

from __future__ import annotations

import io
import warnings
from typing import Any

import torch
from torch import nn

from service.graph_io.notes import notes_on, outputs_of
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
    assert notes_on(whole, from_onnx=True, classes=(10,)) == []
    assert {parameter.name for parameter in whole.parameters()} == dict(network().named_parameters()).keys()


def test_names_that_the_older_exporter_made_are_counted() -> None:
    notes = notes_on(read_onnx(exported(network(), dynamo=False)), from_onnx=True)
    assert any("4 names were made by the exporter (onnx::Conv_" in note for note in notes)


def test_a_module_without_norms_is_what_its_owner_says() -> None:
    assert notes_on(trace(network(norm=False), input_shape=(3, 16, 16)), from_onnx=False) == []


def test_other_classes() -> None:
    graph = trace(network(), input_shape=(3, 16, 16))
    assert outputs_of(graph) == 10
    assert notes_on(graph, from_onnx=False, classes=(100, 10)) == []
    (note,) = notes_on(graph, from_onnx=False, classes=(1000,))
    assert "10 outputs" in note and "1000 classes" in note


def test_a_network_whose_last_layer_is_none() -> None:
    graph = trace(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)), input_shape=(3, 16, 16))
    assert outputs_of(graph) is None
