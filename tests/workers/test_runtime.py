"""A prediction job from its payload to a file and a result."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from service.contract.predict import PredictPayload
from service.documents import read_document
from service.errors import LimitExceeded, NotFound, ServiceError, UnknownModel
from service.ghn.answer import check_answer
from service.ghn.model import GHN
from service.ghn.predict import predict_blocks
from service.graph_io.archgraph import ArchGraph
from service.graph_io.json_reader import read_json_graph
from service.graph_io.limits import DEFAULT_LIMITS
from service.models.catalog import find_card
from service.settings import Settings
from service.weights.blocks import Block, Provenance, WeightBlocks
from service.weights.formats import read_tiles
from service.workers.runtime import Runtime
from tests.simulated_gpu import SimulatedGpu

DIGEST = "ab" * 32
GRAPH: dict[str, Any] = {
    "format": "graph",
    "name": "small",
    "input_shape": [3, 8, 8],
    "outputs": ["fc"],
    "nodes": [
        {"name": "x", "op": "input"},
        {
            "name": "conv",
            "op": "conv",
            "inputs": ["x"],
            "params": {"weight": {"name": "conv.weight", "shape": [16, 3, 3, 3]}},
        },
        {"name": "pool", "op": "global_avg_pool", "inputs": ["conv"]},
        {
            "name": "fc",
            "op": "linear",
            "inputs": ["pool"],
            "params": {
                "weight": {"name": "fc.weight", "shape": [10, 16]},
                "bias": {"name": "fc.bias", "shape": [10]},
            },
        },
    ],
}
SHAPES = {"conv.weight": (16, 3, 3, 3), "fc.weight": (10, 16), "fc.bias": (10,)}


def ignore(done: float, total: float, message: str) -> None:
    """Nobody is interested in the progress."""


@pytest.fixture
def runtime(tiny: Settings) -> Runtime:
    return Runtime(tiny)


def payload(runtime: Runtime, **changes: Any) -> PredictPayload:
    made = PredictPayload(
        graph=runtime.artifacts.put_content(json.dumps(GRAPH).encode(), "graph.json").name,
        source_onnx=None,
        torchvision=None,
        traced=None,
        model="tiny",
        model_digest=find_card("tiny").digest,
        dtype="float32",
        output="safetensors",
        include_classifier=True,
        digest=DIGEST,
    )
    made.update(changes)  # type: ignore[typeddict-item]
    return made


def test_the_file_holds_every_parameter(runtime: Runtime) -> None:
    stages: list[str] = []
    answer = runtime.run_predict(payload(runtime), lambda done, total, message: stages.append(message))
    result = answer.as_json()
    path = runtime.artifacts.path(result["weights"]["url"].removeprefix("/weights/"))
    tensors = load_file(path)
    assert {name: tensor.shape for name, tensor in tensors.items()} == SHAPES
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())
    assert (
        result["num_parameters"] == 16 * 27 + 160 + 10 and result["num_tensors"] == 3 and result["complete"]
    )
    assert result["weights"]["size"] == path.stat().st_size
    timed = {*("parse", "model", "encode", "gnn", "decode", "check", "write", "total")}
    assert set(result["timings_ms"]) == timed
    # A short job does not tell of every stage: each time is two calls to Redis.
    assert (stages[0], stages[-1]) == ("reading the architecture", "done")


def test_tiles_and_npz_agree_with_safetensors(runtime: Runtime) -> None:
    files = {
        output: runtime.artifacts.path(
            runtime.run_predict(payload(runtime, output=output), ignore).weights.url.removeprefix("/weights/")
        )
        for output in ("safetensors", "tiles", "npz")
    }
    plain = load_file(files["safetensors"])
    tiles = read_tiles(files["tiles"]).expand()
    with np.load(files["npz"]) as archive:
        for name, tensor in plain.items():
            assert tensor.tobytes() == tiles[name].tobytes() == archive[name].tobytes()


@pytest.mark.parametrize("limit, low", [("max_nodes", 3), ("max_parameters", 601)])
def test_a_worker_reads_by_the_limits_of_the_settings(tiny: Settings, limit: str, low: int) -> None:
    """Both ways: what the service allows is answered, and one less is refused with the limit that was set."""
    allowed = {"max_nodes": len(GRAPH["nodes"]), "max_parameters": 16 * 27 + 160 + 10}
    enough = Runtime(tiny.model_copy(update={limit: allowed[limit]}))
    assert enough.run_predict(payload(enough), ignore).complete
    assert read_document(GRAPH, enough.settings).num_parameters == allowed["max_parameters"]
    short = Runtime(tiny.model_copy(update={limit: low}))
    for read in (lambda: short.graph_of(payload(short)), lambda: read_document(GRAPH, short.settings)):
        with pytest.raises(LimitExceeded) as caught:
            read()
        assert caught.value.extra["limit"] == low


def test_a_worker_takes_a_graph_above_the_usual_limit(tiny: Settings) -> None:
    """The network of the report: more nodes than the default allows, in a service that allows them."""
    nodes: list[dict[str, Any]] = [{"name": "x", "op": "input"}]
    for index in range(DEFAULT_LIMITS.max_nodes + 1):
        nodes.append({"name": f"act{index}", "op": "unary", "inputs": [nodes[-1]["name"]]})
    nodes.append({**GRAPH["nodes"][1], "inputs": [nodes[-1]["name"]]})
    document = {"format": "graph", "input_shape": [3, 8, 8], "nodes": nodes}
    runtime = Runtime(tiny.model_copy(update={"max_nodes": len(nodes)}))
    stored = runtime.artifacts.put_content(json.dumps(document).encode(), "graph.json").name
    assert len(runtime.graph_of(payload(runtime, graph=stored)).nodes) == len(nodes)


def test_the_model_is_loaded_once_and_again_when_it_changed(runtime: Runtime) -> None:
    first = runtime.models.get("tiny")
    assert runtime.models.get("tiny", first.card.digest) is first
    assert runtime.models.get("tiny", "0" * 64) is not first


def test_what_is_not_there_is_said(runtime: Runtime) -> None:
    with pytest.raises(NotFound, match="expired"):
        runtime.run_predict(payload(runtime, graph="cd" * 32 + ".graph.json"), ignore)
    with pytest.raises(UnknownModel):
        runtime.run_predict(payload(runtime, model="nobody"), ignore)


def test_a_full_gpu_costs_time_and_no_answer(tiny: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    on_cpu = Runtime(tiny)
    wanted = on_cpu.run_predict(payload(on_cpu), ignore).weights.sha256
    devices: list[str] = []

    def full(ghn: GHN, *arguments: Any, **options: Any) -> WeightBlocks:
        devices.append(ghn.device.type)
        if ghn.device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return predict_blocks(ghn, *arguments, **options)

    monkeypatch.setattr("service.ghn.registry.predict_blocks", full)
    with SimulatedGpu():
        runtime = Runtime(tiny.model_copy(update={"device": "cuda"}))
        for _ in range(2):  # the model stays on the GPU, which may have memory again
            assert runtime.run_predict(payload(runtime), ignore).weights.sha256 == wanted
    assert devices == ["cuda", "cpu"] * 2


def test_other_errors_of_a_gpu_are_errors(tiny: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any, **options: Any) -> WeightBlocks:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr("service.ghn.registry.predict_blocks", broken)
    with SimulatedGpu(), pytest.raises(RuntimeError, match="assert"):
        runtime = Runtime(tiny.model_copy(update={"device": "cuda"}))
        runtime.run_predict(payload(runtime), ignore)


def test_a_warm_worker_has_used_its_gpu(tiny: Settings) -> None:
    with SimulatedGpu() as gpu:
        runtime = Runtime(tiny.model_copy(update={"device": "auto"}))
        runtime.warm_up()
        assert gpu.operations > 10 and gpu.to_cpu == 1
        assert runtime.models.get("tiny").ghn.device.type == "cuda"


def graph() -> ArchGraph:
    return read_json_graph(GRAPH)


def answer(**changes: np.ndarray[Any, Any]) -> WeightBlocks:
    values = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()} | changes
    blocks = {n: Block(v, v.shape, 1.0, None, Provenance.PREDICTED) for n, v in values.items()}
    return WeightBlocks(blocks, "tiny", "")


def test_an_answer_is_checked_before_it_is_given() -> None:
    check_answer(graph(), answer(), "float32")
    wrong_shape = {"fc.bias": np.zeros(9, np.float32)}
    too_large = {"fc.bias": np.full(10, 1e6, np.float32)}
    check_answer(graph(), answer(**too_large), "float32")
    for changes, dtype in (
        (wrong_shape, "float32"),
        (too_large, "float16"),
        ({"fc.bias": np.full(10, np.nan, np.float32)}, "float32"),
        ({"fc.bias": np.full(10, np.inf, np.float32)}, "bfloat16"),
    ):
        with pytest.raises(ServiceError) as caught:
            check_answer(graph(), answer(**changes), dtype)
        assert "fc.bias" in str(caught.value.problem())
