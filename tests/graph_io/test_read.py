"""One door for all formats, and for the bytes of files."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from service.errors import InvalidArchitecture, InvalidInput, LimitExceeded
from service.graph_io.archgraph import ArchGraph, Node, Parameter
from service.graph_io.checks import build_graph
from service.graph_io.digest import graph_digest
from service.graph_io.json_writer import graph_document
from service.graph_io.limits import GraphLimits
from service.graph_io.read import FORMATS, onnx_data, parse_document, read_document, sniff

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
    {"format": "nats_size", "sizes": [2, 3, 3, 4, 5]},
    {"format": "nasbench_macro", "code": "01200012"},
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
    {
        "format": "ghn1",
        "operations": [["conv_1x7_7x1", [0, 1]], ["dil_conv_3x3", [2]], ["max_pool_3x3", [1, 2]]],
        "channels": 4,
        "blocks": 3,
    },
    {
        "format": "anytime",
        "blocks": [
            [{"operation": "conv_3x3", "scale": 0, "inputs": [0], "exit": True}],
            [{"operation": "max_pool_3x3", "scale": 2, "inputs": [0], "exit": True}],
        ],
        "channels": 4,
    },
]


BY_FORMAT: dict[str, Callable[[], dict[str, Any]]] = {
    **{document["format"]: partial(dict, document) for document in DOCUMENTS},
    "onnx": lambda: {"format": "onnx", "data": base64.b64encode(onnx_bytes()).decode()},
    "torchvision": lambda: {"format": "torchvision", "name": "squeezenet1_1"},
}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document["format"])
def test_every_format_is_read_and_survives_as_a_graph(document: dict[str, Any]) -> None:
    graph = read_document(json.loads(json.dumps(document)))
    assert graph.num_parameters > 0
    again = read_document(json.loads(json.dumps(graph_document(graph))))
    assert again == graph
    assert graph_digest(again) == graph_digest(graph)


def test_onnx_is_read_from_base64() -> None:
    data = base64.b64encode(onnx_bytes()).decode()
    graph = read_document({"format": "onnx", "data": data, "name": "n"})
    assert [parameter.shape for parameter in graph.parameters()] == [(2, 3)]
    with pytest.raises(InvalidInput, match="base64"):
        read_document({"format": "onnx", "data": "!!!"})
    with pytest.raises(InvalidArchitecture, match="data"):
        read_document({"format": "onnx"})
    with pytest.raises(LimitExceeded):
        onnx_data({"format": "onnx", "data": "A" * 100}, limits=GraphLimits(max_bytes=60))
    with pytest.raises(InvalidInput, match="look like JSON"):
        read_document({"format": "onnx", "data": base64.b64encode(b'{"nodes": []}').decode()})


def test_torchvision_is_built_where_that_is_wanted() -> None:
    pytest.importorskip("torchvision")
    document = {"format": "torchvision", "name": "resnet18", "num_classes": 10}
    graph = read_document(document, torchvision=True)
    assert graph.num_parameters == 11_181_642
    with pytest.raises(InvalidArchitecture, match="torch"):
        read_document(document)
    for wrong in ({"name": 5}, {"num_classes": 0}, {"image_size": "224"}, {"weights": "x"}):
        with pytest.raises(InvalidArchitecture):
            read_document({**document, **wrong}, torchvision=True)


@pytest.mark.parametrize(
    "document", [{}, {"format": None}, {"format": ["graph"]}, {"format": "keras"}, {"format": "nasbench102"}]
)
def test_an_unknown_format_gets_the_known_ones(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        read_document(document)
    assert caught.value.extra["field"] == "/format"
    assert all(name in caught.value.extra["hint"] for name in FORMATS)
    if document.get("format") == "nasbench102":
        assert "Did you mean 'nasbench101'" in caught.value.extra["hint"]


@pytest.mark.parametrize("document", [None, [], "graph", 3])
def test_what_is_no_object_is_refused(document: Any) -> None:
    with pytest.raises(InvalidArchitecture, match="must be an object"):
        read_document(document)


@pytest.mark.parametrize("limits", [GraphLimits(max_nodes=1), GraphLimits(max_parameters=5)])
@pytest.mark.parametrize("name", FORMATS)
def test_limits_reach_every_reader(name: str, limits: GraphLimits) -> None:
    document = BY_FORMAT[name]()
    assert len(read_document(document, torchvision=True).nodes) > 1
    with pytest.raises(LimitExceeded) as caught:
        read_document(document, limits=limits, torchvision=True)
    assert caught.value.extra["limit"] in (1, 5)


GRAPH_TEXT = json.dumps(graph_document(tiny())).encode()
FILES: dict[str, tuple[bytes, str]] = {
    "json": (GRAPH_TEXT, "json"),
    "json behind blanks": (b"\n\t " + GRAPH_TEXT, "json"),
    "json behind a byte order mark": (b"\xef\xbb\xbf" + GRAPH_TEXT, "json"),
    "json behind both": (b"\xef\xbb\xbf\r\n" + GRAPH_TEXT, "json"),
    "json far behind": (b" " * 1000 + GRAPH_TEXT, "json"),
    "an array": (b" [1]", "json"),
    "UTF-16": ("\ufeff{}".encode("utf-16-le"), "json"),
    "UTF-16, the other way": ("\ufeff{}".encode("utf-16-be"), "json"),
    "nothing": (b"", "json"),
    "blanks": (b" \n", "json"),
    "onnx": (onnx_bytes(), "onnx"),
    "text": (b"this is no model", "onnx"),
    "zip": (b"PK\x03\x04", "onnx"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_holds_is_told_by_its_first_bytes(name: str) -> None:
    data, kind = FILES[name]
    assert sniff(data) == kind


def test_every_onnx_file_is_taken_for_one() -> None:
    """Whatever field of the model its writer puts first."""
    onnx = pytest.importorskip("onnx")
    for field in onnx.ModelProto.DESCRIPTOR.fields:
        tag = field.number << 3 | (0 if field.type in (field.TYPE_INT64, field.TYPE_INT32) else 2)
        start = bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])
        assert sniff(start + b"{[ ") == "onnx", field.name


def test_files_are_read_by_what_they_hold() -> None:
    for name, (data, _) in FILES.items():
        if name.startswith("json"):
            assert read_document(data) == tiny(), name
    assert read_document(onnx_bytes(), isolate=True) == read_document(onnx_bytes())
    refused = {
        "an array": "an array",
        "UTF-16": "not UTF-8",
        "nothing": "empty",
        "blanks": "empty",
        "text": "not an ONNX model",
        "zip": "zip archive",
    }
    for name, match in refused.items():
        with pytest.raises(InvalidInput, match=match):
            read_document(FILES[name][0])
    with pytest.raises(LimitExceeded):
        parse_document(GRAPH_TEXT, limits=GraphLimits(max_bytes=20))
