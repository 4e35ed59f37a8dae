"""One entry to all formats, and the sources of the command line."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest

from service.errors import InvalidArchitecture, InvalidInput, LimitExceeded
from service.graph_io.archgraph import ArchGraph, Node, Parameter
from service.graph_io.checks import build_graph
from service.graph_io.digest import graph_digest
from service.graph_io.json_writer import graph_document
from service.graph_io.limits import GraphLimits
from service.graph_io.read import FORMATS, decode_onnx, read_architecture, read_source

CELL = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|skip_connect~1|none~2|"


def tiny() -> ArchGraph:
    return build_graph(
        [Node("x", "input"), Node("y", "linear", ("x",), (Parameter("y.weight", (2, 3)),))],
        input_shape=(3,),
        name="tiny",
    )


def onnx_bytes() -> bytes:
    onnx = pytest.importorskip("onnx")
    helper, proto = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)],
        "g",
        [helper.make_tensor_value_info("x", proto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", proto.FLOAT, [1, 2])],
        [helper.make_tensor("w", proto.FLOAT, [2, 3], [0.0] * 6)],
    )
    data: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    return data


DOCUMENTS: list[dict[str, Any]] = [
    graph_document(tiny()),
    {"format": "nasbench201", "cell": CELL, "channels": 4, "cells_per_stage": 1},
    {"format": "nasbench101", "matrix": "101", "ops": "I3O", "channels": 8, "modules": 1},
    {
        "format": "smash",
        "blocks": [{"banks": 1, "bank_channels": 4, "layers": [{"read": [0], "write": [0]}]}],
    },
    {
        "format": "darts",
        "genotype": {
            "normal": [["sep_conv_3x3", 0], ["skip_connect", 1]],
            "normal_concat": [2],
            "reduce": [["max_pool_3x3", 0], ["skip_connect", 1]],
            "reduce_concat": [2],
        },
        "channels": 8,
        "cells": 3,
    },
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document["format"])
def test_every_format_is_read_and_survives_as_a_graph(document: dict[str, Any]) -> None:
    graph = read_architecture(json.loads(json.dumps(document)))
    assert graph.num_parameters > 0
    again = read_architecture(json.loads(json.dumps(graph_document(graph))))
    assert again == graph
    assert graph_digest(again) == graph_digest(graph)


def test_onnx_is_read_from_base64() -> None:
    data = base64.b64encode(onnx_bytes()).decode()
    graph = read_architecture({"format": "onnx", "data": data, "name": "n"})
    assert [parameter.shape for parameter in graph.parameters()] == [(2, 3)]
    with pytest.raises(InvalidInput, match="base64"):
        read_architecture({"format": "onnx", "data": "!!!"})
    with pytest.raises(InvalidArchitecture, match="data"):
        read_architecture({"format": "onnx"})
    with pytest.raises(LimitExceeded):
        decode_onnx("A" * 100, limits=GraphLimits(max_bytes=60))


def test_torchvision_is_built_by_whoever_can() -> None:
    asked: list[Any] = []

    def build(name: str, *, num_classes: int | None, image_size: int | None) -> ArchGraph:
        asked.append((name, num_classes, image_size))
        return tiny()

    document = {"format": "torchvision", "name": "resnet50", "num_classes": 10}
    assert read_architecture(document, torchvision=build) == tiny()
    assert asked == [("resnet50", 10, None)]
    with pytest.raises(InvalidArchitecture, match="torch"):
        read_architecture(document)
    for wrong in ({"name": 5}, {"num_classes": 0}, {"image_size": "224"}, {"weights": "x"}):
        with pytest.raises(InvalidArchitecture):
            read_architecture({**document, **wrong}, torchvision=build)


@pytest.mark.parametrize(
    "document", [{}, {"format": None}, {"format": ["graph"]}, {"format": "keras"}, {"format": "nasbench102"}]
)
def test_an_unknown_format_gets_the_known_ones(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        read_architecture(document)
    assert caught.value.extra["field"] == "/format"
    assert all(name in caught.value.extra["hint"] for name in FORMATS)
    if document.get("format") == "nasbench102":
        assert "Did you mean 'nasbench101'" in caught.value.extra["hint"]


@pytest.mark.parametrize("document", [None, [], "graph", 3])
def test_what_is_no_object_is_refused(document: Any) -> None:
    with pytest.raises(InvalidArchitecture, match="must be an object"):
        read_architecture(document)


def test_limits_bound_what_a_format_expands_to() -> None:
    document = {"format": "nasbench201", "cell": CELL}
    for limits in (GraphLimits(max_nodes=20), GraphLimits(max_parameters=1000)):
        with pytest.raises(LimitExceeded):
            read_architecture(document, limits=limits)


def test_sources_that_are_names() -> None:
    assert read_source("torchvision:resnet50").document == {"format": "torchvision", "name": "resnet50"}
    for text in (f"nasbench201:{CELL}", f'nasbench201:"{CELL}"'):
        assert read_source(text).document == {"format": "nasbench201", "cell": CELL}
    assert read_source("torchvision:resnet50").name == "resnet50"


def test_sources_that_are_files(tmp_path: Path) -> None:
    document = graph_document(tiny())
    (tmp_path / "net.json").write_text(json.dumps(document))
    source = read_source(str(tmp_path / "net.json"))
    assert (source.name, source.document, source.onnx) == ("tiny", document, None)
    bare = {key: value for key, value in document.items() if key not in ("format", "name")}
    (tmp_path / "bare.JSON").write_text(json.dumps(bare))
    source = read_source(str(tmp_path / "bare.JSON"))
    assert source.name == "bare"
    assert read_architecture(source.document).num_parameters == 6
    (tmp_path / "net.onnx").write_bytes(onnx_bytes())
    source = read_source(str(tmp_path / "net.onnx"))
    assert (source.name, source.onnx) == ("net", onnx_bytes())
    assert source.document == {"format": "onnx", "name": "net"}


def test_standard_input_may_be_either() -> None:
    text = json.dumps(graph_document(tiny())).encode()
    assert read_source("-", io.BytesIO(b"\n " + text)).document["format"] == "graph"
    source = read_source("-", io.BytesIO(onnx_bytes()))
    assert source.onnx == onnx_bytes()
    for data, said in ((b"", "empty"), (b"[1]", "an array"), (b"{", "line 1")):
        with pytest.raises(InvalidInput, match=said):
            read_source("-", io.BytesIO(data))


@pytest.mark.parametrize(
    "source", ["", "model.pt", "keras:x", "missing.onnx", "missing.json", "a\0.onnx", "x" * 5000 + ".onnx"]
)
def test_what_is_no_source_is_refused(source: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_source(source)
    assert len(json.dumps(caught.value.problem())) < 2000
