"""Whatever is sent, the answer is a problem document below 500, and the next request works."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import numpy as np
import pytest

from service.api.architectures import GRAPH_EXAMPLE, TORCHVISION_EXAMPLE

from .checks import assert_problem
from .onnx_files import cyclic_onnx, declared_onnx, function_bomb_onnx, nested_onnx, small_onnx

pytestmark = pytest.mark.usefixtures("worker")

NOISE = np.random.default_rng(0).bytes(10_000_000)
ONNX_FILES: dict[str, tuple[bytes, tuple[int, ...]]] = {
    "empty": (b"", (400,)),
    "one byte": (b"\x08", (400,)),
    "truncated": (small_onnx()[:-20], (400,)),
    "truncated early": (small_onnx()[:40], (400,)),
    "text": (b"this is not a model", (400,)),
    "zeros": (bytes(1000), (400,)),
    "noise of 10 MB": (NOISE, (400,)),
    "a cycle": (cyclic_onnx(), (422,)),
    "a negative dimension": (declared_onnx([4, -3, 3, 3]), (400, 422)),
    "a dimension of zero": (declared_onnx([4, 0, 3, 3]), (422,)),
    "10^12 elements": (declared_onnx([10**6, 10**6]), (413, 422)),
    "10^18 elements": (declared_onnx([2**31, 2**31]), (413, 422)),
    "deep nesting": (nested_onnx(25), (400, 413, 422)),
    "deeper nesting than protobuf reads": (nested_onnx(90), (400, 413, 422)),
    "functions that double": (function_bomb_onnx(40), (400, 413, 422)),
}


@pytest.mark.parametrize("name", ONNX_FILES)
async def test_hostile_files(client: httpx.AsyncClient, name: str) -> None:
    data, statuses = ONNX_FILES[name]
    started = time.monotonic()
    response = await client.post(
        "/predict-weights", content=data, headers={"Content-Type": "application/octet-stream"}
    )
    assert response.status_code in statuses, response.text
    assert_problem(response, response.status_code)
    assert time.monotonic() - started < 5
    form = await client.post("/predict-weights", files={"architecture": ("model.onnx", data)})
    assert form.status_code == response.status_code
    good = await client.post("/predict-weights", content=small_onnx())
    assert good.status_code == 200


def nested_json(depth: int) -> bytes:
    return b'{"architecture": ' + b'{"a": ' * depth + b"1" + b"}" * depth + b"}"


def edited(**changes: Any) -> dict[str, Any]:
    return {"architecture": {**GRAPH_EXAMPLE, **changes}}


def node(name: str, op: str, *inputs: str) -> dict[str, Any]:
    return {"name": name, "op": op, "inputs": list(inputs)}


X = {"name": "x", "op": "input"}
JSON_BODIES: dict[str, tuple[bytes | dict[str, Any], int, str | None]] = {
    "empty": (b"", 400, "invalid-input"),
    "blank": (b"   ", 400, "invalid-input"),
    "truncated": (b'{"architecture": {"format": "gra', 400, "invalid-input"),
    "not UTF-8": (b'{"architecture": "\xff\xfe"}', 400, "invalid-input"),
    "half a character": (b'{"architecture": {"format": "\\ud800"}}', 400, "invalid-input"),
    "not finite": (b'{"architecture": {"format": "graph", "nodes": NaN}}', 400, "invalid-input"),
    "a list": (b"[]", 422, "invalid-request"),
    "nested 100": (nested_json(100), 413, "limit-exceeded"),
    "nested 100,000": (nested_json(100_000), 413, "limit-exceeded"),
    "no architecture": ({}, 422, "invalid-request"),
    "architecture is text": ({"architecture": "resnet50"}, 422, "invalid-request"),
    "no format": ({"architecture": {}}, 422, "invalid-architecture"),
    "unknown format": ({"architecture": {"format": "keras"}}, 422, "invalid-architecture"),
    "format is a list": ({"architecture": {"format": ["graph"]}}, 422, "invalid-architecture"),
    "unknown field": ({"architecture": GRAPH_EXAMPLE, "modle": "x"}, 422, "invalid-request"),
    "unknown dtype": ({"architecture": GRAPH_EXAMPLE, "dtype": "int4"}, 422, "invalid-request"),
    "unknown output": ({"architecture": GRAPH_EXAMPLE, "output": "h5"}, 422, "invalid-request"),
    "a flag as text": ({"architecture": GRAPH_EXAMPLE, "include_classifier": "yes"}, 422, "invalid-request"),
    "unknown model": ({"architecture": GRAPH_EXAMPLE, "model": "ghn99"}, 422, "unknown-model"),
    "a path as model": ({"architecture": GRAPH_EXAMPLE, "model": "../../etc"}, 422, "invalid-request"),
    "npz of bfloat16": (
        {"architecture": GRAPH_EXAMPLE, "output": "npz", "dtype": "bfloat16"},
        422,
        "invalid-request",
    ),
    "a cycle": (
        edited(nodes=[X, node("a", "add", "x", "b"), node("b", "add", "a")]),
        422,
        "invalid-architecture",
    ),
    "unreachable": (edited(nodes=[X, node("a", "identity", "ghost")]), 422, "invalid-architecture"),
    "unknown operator": (edited(nodes=[X, node("a", "teleport", "x")]), 422, "unsupported-operator"),
    "twice the name": (edited(nodes=[X, node("x", "identity", "x")]), 422, "invalid-architecture"),
    "no nodes": (edited(nodes=[]), 422, "invalid-architecture"),
    "torchvision without name": ({"architecture": {"format": "torchvision"}}, 422, "invalid-architecture"),
    "torchvision name is a path": (
        {"architecture": {"format": "torchvision", "name": "../resnet"}},
        422,
        "invalid-architecture",
    ),
    "torchvision size as text": (
        {"architecture": {**TORCHVISION_EXAMPLE, "image_size": "224"}},
        422,
        "invalid-architecture",
    ),
    "torchvision with no classes": (
        {"architecture": {**TORCHVISION_EXAMPLE, "num_classes": 0}},
        422,
        "invalid-architecture",
    ),
    "base64 that is none": ({"architecture": {"format": "onnx", "data": "???"}}, 400, "invalid-input"),
    "base64 of nothing": ({"architecture": {"format": "onnx", "data": ""}}, 400, None),
}


@pytest.mark.parametrize("name", JSON_BODIES)
async def test_wrong_json(client: httpx.AsyncClient, name: str) -> None:
    body, status, code = JSON_BODIES[name]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await client.post(
        "/predict-weights", content=content, headers={"Content-Type": "application/json"}
    )
    assert_problem(response, status, code)


async def test_negative_dimensions_and_huge_ones_in_json(client: httpx.AsyncClient) -> None:
    for shape, status in (([-1, 3, 3, 3], 422), ([10**6, 10**6, 1, 1], 413), ([10**30, 1, 1, 1], 413)):
        graph = json.loads(json.dumps(GRAPH_EXAMPLE))
        graph["nodes"][1]["params"]["weight"]["shape"] = shape
        response = await client.post("/predict-weights", json={"architecture": graph})
        assert response.status_code in (status, 422), response.text
        assert_problem(response, response.status_code)


async def test_problems_say_where(client: httpx.AsyncClient) -> None:
    wrong = {"architecture": GRAPH_EXAMPLE, "dtype": "int4", "modle": "x"}
    problem = assert_problem(await client.post("/predict-weights", json=wrong), 422, "invalid-request")
    assert sorted(error["pointer"] for error in problem["errors"]) == ["/dtype", "/modle"]
    unknown = assert_problem(
        await client.post("/predict-weights", json={"architecture": GRAPH_EXAMPLE, "model": "tset-ghn"}), 422
    )
    assert "test-ghn" in unknown["available"] and "test-ghn" in unknown["hint"]


async def test_fields_point_from_the_root_of_what_was_sent(client: httpx.AsyncClient) -> None:
    cell = {"format": "nasbench201", "cell": "|x~0|"}
    alone, whole = json.dumps(cell).encode(), json.dumps({"architecture": cell}).encode()
    file = {"Content-Type": "application/octet-stream"}
    for path in ("/predict-weights", "/describe-architecture"):
        answers = {
            "/architecture/cell": await client.post(path, json={"architecture": cell}),
            "/cell": await client.post(path, content=alone, headers=file),
            "/architecture/architecture/cell": await client.post(
                path, files={"architecture": ("a.json", whole)}
            ),
        }
        of_form = await client.post(path, files={"architecture": ("a.json", alone)})
        assert assert_problem(of_form, 422)["field"] == "/architecture/cell"
        for field, answer in answers.items():
            assert assert_problem(answer, 422, "invalid-architecture")["field"] == field


async def test_media_types(client: httpx.AsyncClient) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "image/png", "nonsense"):
        response = await client.post(
            "/predict-weights", content=small_onnx(), headers={"Content-Type": media_type}
        )
        problem = assert_problem(response, 415, "unsupported-media-type")
        assert "application/json" in problem["accepted"]
    squeezed = {"Content-Type": "application/octet-stream", "Content-Encoding": "gzip"}
    response = await client.post("/predict-weights", content=small_onnx(), headers=squeezed)
    assert_problem(response, 415)


async def test_a_body_without_a_type_is_taken_for_what_it_is(client: httpx.AsyncClient) -> None:
    text = json.dumps(GRAPH_EXAMPLE).encode()
    for content in (small_onnx(), text, b"\xef\xbb\xbf" + text, b"\n" * 100 + text):
        request = client.build_request("POST", "/predict-weights", content=content)
        request.headers.pop("Content-Type", None)
        assert (await client.send(request)).status_code == 200


async def test_broken_forms(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    assert_problem(await client.post("/predict-weights", content=b"x", headers=headers), 400)
    headers = {"Content-Type": "multipart/form-data; boundary=abc"}
    assert_problem(await client.post("/predict-weights", content=b"--abc\r\nx", headers=headers), 422)
    no_file = await client.post("/predict-weights", files={"dtype": (None, "float32")})
    assert assert_problem(no_file, 422)["field"] == "/architecture"
    wrong_field = await client.post("/predict-weights", files={"model": ("m.onnx", small_onnx())})
    assert_problem(wrong_field, 422)
    twice = await client.post(
        "/predict-weights", files=[("architecture", ("a.onnx", b"x")), ("architecture", ("b.onnx", b"y"))]
    )
    assert_problem(twice, 400)


async def test_options_in_the_wrong_place(client: httpx.AsyncClient) -> None:
    wrong = await client.post("/predict-weights?dtype=float16", json={"architecture": GRAPH_EXAMPLE})
    assert assert_problem(wrong, 422)["field"] == "/dtype"
    unknown = await client.post("/predict-weights?quality=high", content=small_onnx())
    assert assert_problem(unknown, 422)["errors"][0]["in"] == "query"


async def test_json_that_is_not_utf8(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    body = b'{"description": "\xff"}'
    answer = await client.patch("/models/mine", content=body, headers=headers)
    assert "UTF-8" in assert_problem(answer, 422)["detail"]
