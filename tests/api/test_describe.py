"""POST /describe-architecture: what the page draws."""

from __future__ import annotations

import json

import httpx

from service.api.architectures import (
    GRAPH_EXAMPLE,
    NASBENCH201_EXAMPLE,
    TORCHVISION_EXAMPLE,
)
from service.api.predict.keys import reference_digest
from service.graph_io.json_writer import graph_document
from service.graph_io.read import read_document, read_torchvision
from service.settings import Settings
from service.store.artifacts import ArtifactStore

from .asgi import client_of
from .checks import assert_problem
from .onnx_files import small_onnx


async def test_nodes_edges_and_parameters(client: httpx.AsyncClient) -> None:
    answer = await client.post("/describe-architecture", json={"architecture": GRAPH_EXAMPLE})
    assert answer.status_code == 200, answer.text
    described = answer.json()
    assert [node["primitive"] for node in described["nodes"]] == [
        "input",
        "conv",
        "bias",
        "glob_avg",
        "conv",
        "bias",
    ]
    assert [node["inputs"] for node in described["nodes"]] == [[], [0], [1], [2], [3], [4]]
    conv, bias = described["nodes"][1:3]
    assert conv["shape"] == [32, 3, 3, 3]
    # The operator of the weight has the attributes of the request; its bias does not repeat them.
    asked = next(node for node in GRAPH_EXAMPLE["nodes"] if node["name"] == "conv")
    assert conv["op"] == bias["op"] == "conv" and bias["attributes"] == {}
    assert asked["attrs"].keys() == conv["attributes"].keys() and asked["attrs"]
    assert described["nodes"][3]["op"] == "global_avg_pool"
    assert described["parameters"][0] == {
        "name": "conv.weight",
        "shape": [32, 3, 3, 3],
        "op": "conv",
        "decoding": "weight",
        "node": 1,
    }
    assert described["num_parameters"] == 32 * 27 + 32 + 320 + 10 and described["num_operators"] == 6


async def test_the_same_bodies_as_for_a_prediction(client: httpx.AsyncClient) -> None:
    raw = await client.post(
        "/describe-architecture",
        content=small_onnx(),
        headers={"Content-Type": "application/octet-stream"},
    )
    form = await client.post("/describe-architecture", files={"architecture": small_onnx()})
    assert raw.status_code == form.status_code == 200 and raw.json() == form.json()
    body = {"architecture": NASBENCH201_EXAMPLE, "output": "tiles", "dtype": "float16"}
    cells = (await client.post("/describe-architecture", json=body)).json()
    assert len({node["cell"] for node in cells["nodes"]}) > 10


async def test_a_torchvision_network_is_known_once_a_worker_has_built_it(
    client: httpx.AsyncClient, api_settings: Settings
) -> None:
    body = {"architecture": TORCHVISION_EXAMPLE}
    problem = assert_problem(await client.post("/describe-architecture", json=body), 404, "not-found")
    assert "/predict-weights" in problem["hint"]
    digest = reference_digest(read_torchvision(TORCHVISION_EXAMPLE))
    document = json.dumps(graph_document(read_document(GRAPH_EXAMPLE))).encode()
    ArtifactStore(api_settings.artifact_dir).put_bytes(f"{digest}.graph.json", document)
    answer = await client.post("/describe-architecture", json=body)
    assert answer.status_code == 200 and answer.json()["digest"] == digest


async def test_problems(client: httpx.AsyncClient, api_settings: Settings) -> None:
    post = client.post
    assert_problem(await post("/describe-architecture", json={"architecture": {"format": "x"}}), 422)
    nothing = {"format": "graph", "input_shape": [3], "nodes": [{"name": "a", "op": "input"}]}
    assert_problem(await post("/describe-architecture", json={"architecture": nothing}), 422)
    assert_problem(await post("/describe-architecture", content=b"", headers={"Content-Type": "text/x"}), 415)


async def test_too_many_edges_are_refused(api_settings: Settings) -> None:
    """Layers that all read from all layers before, through sums that the GHN does not see."""
    nodes: list[dict[str, object]] = [{"name": "n0", "op": "input"}]
    for index in range(1, 480):
        nodes.append({"name": f"p{index}", "op": "max_pool", "inputs": [f"n{index - 1}"]})
        nodes.append({"name": f"n{index}", "op": "merge", "inputs": [f"n{index - 1}", f"p{index}"]})
    async with client_of(api_settings) as client:
        answer = await client.post(
            "/describe-architecture",
            json={"architecture": {"format": "graph", "input_shape": [3], "nodes": nodes}},
        )
    assert assert_problem(answer, 413)["limit"] == 100_000
