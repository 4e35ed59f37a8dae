"""What is sent for what a caller passes."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

from service.client import BadRequest, Client, Refused
from service.client._architectures import encode
from service.client._many import encode_many
from service.client._number_format import name_of
from service.graph_io.onnx_strip import strip_onnx
from tests.api.onnx_files import small_onnx

GRAPH: dict[str, Any] = {
    "format": "graph",
    "input_shape": [3],
    "nodes": [{"name": "x", "op": "input"}, {"name": "y", "op": "identity", "inputs": ["x"]}],
}
TEXT = json.dumps(GRAPH)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\n\t ", b"\xef\xbb\xbf\r\n"])
def test_json_is_told_from_onnx_as_the_service_does(mark: bytes, tmp_path: Path) -> None:
    data = mark + TEXT.encode()
    (tmp_path / "net.json").write_bytes(data)
    for passed in (data, tmp_path / "net.json", str(tmp_path / "net.json")):
        assert encode(passed).document == GRAPH


def test_an_onnx_model_is_sent_without_its_weights(tmp_path: Path) -> None:
    model = small_onnx()
    (tmp_path / "net.onnx").write_bytes(model)
    stripped = base64.b64encode(strip_onnx(model)).decode()
    assert encode(model).document == {"format": "onnx", "data": stripped}
    assert encode(tmp_path / "net.onnx").document == {"format": "onnx", "data": stripped, "name": "net.onnx"}
    whole = {"format": "onnx", "data": base64.b64encode(model).decode(), "name": "n"}
    assert encode(whole).document == {"format": "onnx", "data": stripped, "name": "n"}


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse names that are no text")
def test_the_name_of_a_file_may_be_bytes_of_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xe9.onnx")
    path.write_bytes(small_onnx())
    assert encode(path).document["name"] == "?.onnx"


def test_half_a_character_is_for_the_service_to_refuse() -> None:
    half = {**GRAPH, "name": "\ud800"}
    with Client.local() as client:
        with pytest.raises(BadRequest, match="half a character"):
            client.predict_weights(half)
        with pytest.raises(BadRequest, match="half a character"):
            client.predict_weights(GRAPH, model="\ud800")
        ranking = client.rank_architectures([half, "torchvision:alexnet"])
    assert [row.index for row in ranking.ranking] == [1] and "half a character" in ranking.skipped[0].reason
    assert json.loads(encode_many([half]).texts[0]) == half


def test_a_bare_graph_gets_its_format() -> None:
    bare = {key: value for key, value in GRAPH.items() if key != "format"}
    assert encode(bare).document == GRAPH


def test_texts() -> None:
    assert encode("torchvision:resnet18").document == {"format": "torchvision", "name": "resnet18"}
    for text in ("-", "resnet18", "keras:x"):
        with pytest.raises(BadRequest):
            encode(text)


@pytest.mark.parametrize(
    ("passed", "match"),
    [
        (b"[1]", "an array"),
        (b'{"nodes": [], "nodes": []}', "twice"),
        ("\ufeff{}".encode("utf-16-le"), "not UTF-8"),
        (b"", "empty"),
        ({"format": "onnx", "data": "???"}, "not base64"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(passed: Any, match: str) -> None:
    with pytest.raises(BadRequest, match=match):
        encode(passed)


def test_what_is_no_architecture_at_all() -> None:
    with pytest.raises(Refused, match="A int is not an architecture"):
        encode(3)


def test_a_module_with_several_inputs_takes_an_example() -> None:
    model = torch.nn.Transformer(16, 4, 1, 1, 32, batch_first=True)
    source, target = torch.randn(2, 5, 16), torch.randn(2, 6, 16)
    by_place = encode(model, example=(source, target)).document
    assert sum(node["op"] == "input" for node in by_place["nodes"]) == 2
    assert by_place == encode(model, example={"src": source, "tgt": target}).document
    assert encode(torch.nn.Linear(4, 2), example=torch.zeros(3, 4)).document["input_shape"] == [4]
    with pytest.raises(Refused, match="missing 1 required"):
        encode(model)
    with pytest.raises(Refused, match="input_shape and example"):
        encode(model, input_shape=(5, 16), example=(source, target))


@pytest.mark.parametrize(
    "one",
    [
        torch.nn.Sequential(torch.nn.Linear(4, 2)),
        torch.nn.ReLU(),
        "torchvision:resnet18",
        b"{}",
        {"nodes": []},
        None,
    ],
    ids=["module", "layer", "text", "bytes", "object", "nothing"],
)
def test_one_architecture_is_no_list(one: Any) -> None:
    with pytest.raises(Refused, match="A list of architectures was expected") as refused:
        encode_many(one)
    assert refused.value.problem["field"] == "/architectures"
    assert refused.value.hint == "Put it into a list: [architecture]."


@pytest.mark.parametrize(
    "number_format",
    ["float16", torch.float16, np.float16, np.dtype("float16")],
    ids=["name", "torch", "numpy", "dtype"],
)
def test_number_formats_have_names(number_format: Any) -> None:
    assert name_of(number_format) == "float16"
    assert (name_of(torch.bfloat16), name_of(ml_dtypes.bfloat16)) == ("bfloat16", "bfloat16")
