"""What the settings allow is answered by a whole service; one more is refused, naming the limit that was set.

Every limit lies above what the readers allow by default: a place that forgets the settings refuses too early.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from onnx import TensorProto, helper, load_model_from_string, numpy_helper

from benchmarks.served import RunningService, end, soon, start
from service.graph_io.limits import DEFAULT_LIMITS
from service.settings import Settings

from .conftest import linked_home

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.xdist_group("limits")]

MIB = 2**20
NODES = DEFAULT_LIMITS.max_nodes + 10
PARAMETERS = DEFAULT_LIMITS.max_parameters + 10**8
ARCHITECTURES = Settings.model_fields["max_architectures"].default + 5
MINUTES = 2 * Settings.model_fields["training_max_minutes"].default
BODY_BYTES = DEFAULT_LIMITS.max_bytes + 16 * MIB


@pytest.fixture(scope="module")
def roomy(home_with_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with more room than the default."""
    running = start(
        linked_home(tmp_path_factory.mktemp("limits"), home_with_model),
        max_nodes=str(NODES),
        max_parameters=str(PARAMETERS),
        max_body_bytes=str(BODY_BYTES),
        max_architectures=str(ARCHITECTURES),
        training_max_minutes=str(MINUTES),
    )
    yield running
    end(running)


def chain(nodes: int) -> dict[str, Any]:
    """A document with so many nodes, of which a GHN sees three."""
    middle = [{"name": f"n{i}", "op": "unary", "inputs": [f"n{i - 1}"]} for i in range(1, nodes - 1)]
    head = {
        "name": "fc",
        "op": "linear",
        "inputs": [f"n{nodes - 2}"],
        "params": {"weight": {"name": "fc.weight", "shape": [10, 16]}},
    }
    return {
        "format": "graph",
        "input_shape": [16],
        "nodes": [{"name": "n0", "op": "input"}, *middle, head],
        "outputs": ["fc"],
    }


def wide(parameters: int) -> dict[str, Any]:
    """A document with two layers of so many parameters in all."""
    side = 2**15
    shapes = [[side, side], [(parameters - side * side) // side, side]]
    nodes: list[dict[str, Any]] = [{"name": "x", "op": "input"}]
    for name, shape in zip(("one", "two"), shapes, strict=True):
        weight = {"weight": {"name": f"{name}.weight", "shape": shape}}
        nodes.append({"name": name, "op": "linear", "inputs": [nodes[-1]["name"]], "params": weight})
    return {"format": "graph", "input_shape": [side], "nodes": nodes, "outputs": ["two"]}


def chain_onnx(nodes: int, width: int) -> bytes:
    """The same as ONNX, with the weights of its last layer, (width, 1024) numbers, in the file."""
    names = ["x", *(f"t{index}" for index in range(nodes - 2))]
    parts = [helper.make_node("Relu", [one], [two]) for one, two in pairwise(names)]
    parts.append(helper.make_node("Gemm", [names[-1], "fc.weight"], ["y"], transB=1))
    graph = helper.make_graph(
        parts,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1024])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, width])],
        [numpy_helper.from_array(np.zeros((width, 1024), np.float32), "fc.weight")],
    )
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())


def predict(service: RunningService, architecture: dict[str, Any]) -> httpx.Response:
    """Tiles: their size does not grow with the network."""
    return service.post(
        "/predict-weights", {"architecture": architecture, "output": "tiles"}, Prefer="wait=60"
    )


def predict_file(service: RunningService, data: bytes) -> httpx.Response:
    return httpx.post(
        f"{service.url}/predict-weights?output=onnx",
        content=data,
        headers={"Content-Type": "application/octet-stream", "Prefer": "wait=60"},
        timeout=120,
        trust_env=False,
    )


def assert_refused(answer: httpx.Response, limit: int) -> None:
    problem = answer.json()
    assert answer.status_code == 413 and problem["type"].endswith("limit-exceeded"), problem
    assert problem["limit"] == limit and f"{limit:,}" in problem["detail"]


def test_nodes(roomy: RunningService) -> None:
    answer = predict(roomy, chain(NODES))
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["num_parameters"] == 160
    assert_refused(predict(roomy, chain(NODES + 1)), NODES)


def test_parameters(roomy: RunningService) -> None:
    answer = predict(roomy, wide(PARAMETERS))
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["num_parameters"] > DEFAULT_LIMITS.max_parameters
    assert_refused(predict(roomy, wide(PARAMETERS + 2**15)), PARAMETERS)


def test_bytes_of_a_file_that_is_filled(roomy: RunningService) -> None:
    """A long file with its weights: read by the API, read and filled by the worker."""
    width = (DEFAULT_LIMITS.max_bytes + MIB) // 4096
    data = chain_onnx(NODES - 1, width)
    assert DEFAULT_LIMITS.max_bytes < len(data) < BODY_BYTES
    answer = predict_file(roomy, data)
    assert answer.status_code == 200, answer.text
    filled = load_model_from_string(roomy.get(answer.json()["result"]["weights"]["url"]).content)
    (weight,) = filled.graph.initializer
    assert np.abs(numpy_helper.to_array(weight)).max() > 0 and len(filled.graph.node) == NODES - 2
    assert_refused(predict_file(roomy, bytes(BODY_BYTES + 1)), BODY_BYTES)


def test_architectures_of_a_list(roomy: RunningService) -> None:
    """One that is too large is skipped, and the rest is ranked."""
    lists = [chain(NODES), chain(NODES + 1)]
    for path, kept in (("/rank-architectures", "ranking"), ("/embed-architectures", "embeddings")):
        answer = roomy.post(path, {"architectures": lists}, Prefer="wait=60")
        assert answer.status_code == 200, answer.text
        result = answer.json()["result"]
        assert len(result[kept]) == 1 and [row["index"] for row in result["skipped"]] == [1], result
        assert f"{NODES:,}" in result["skipped"][0]["reason"]


def test_architectures_in_one_request(roomy: RunningService) -> None:
    cell = {
        "format": "nasbench201",
        "cell": "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|skip_connect~2|",
    }
    request: dict[str, Any] = {"architectures": [cell] * ARCHITECTURES}
    answer = roomy.post("/rank-architectures", request, Prefer="wait=60")
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["result"]["ranking"]) == ARCHITECTURES
    request["architectures"] = [cell] * (ARCHITECTURES + 1)
    for path in ("/rank-architectures", "/embed-architectures"):
        assert_refused(roomy.post(path, request), ARCHITECTURES)


def test_minutes_of_a_training(roomy: RunningService) -> None:
    """The longest budget is taken by the worker as it is: its trainer writes it down."""
    body = {"kind": "ghn", "name": "long", "config": {"data": "digits", "minutes": MINUTES}}
    job = roomy.post("/training-jobs", body).json()
    config = roomy.home / "runs" / job["id"] / "config.json"
    soon(config.exists)
    assert json.loads(config.read_text())["minutes"] == MINUTES
    assert roomy.delete(f"/jobs/{job['id']}").status_code in (200, 202)
    assert roomy.final(job["id"])["status"] == "cancelled"
    body["config"] = {"data": "digits", "minutes": MINUTES + 1}
    refused = roomy.post("/training-jobs", {**body, "name": "longer"})
    assert refused.status_code == 422 and refused.json()["limit"] == MINUTES, refused.text
