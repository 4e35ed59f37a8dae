"""The client without a service answers as one with a service does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from service.client import AsyncClient, Client, NotFound, PredictedWeights, Ranking, Refused
from service.extras import NotInstalled
from service.ghn.registry import load_model
from service.graph_io.torch_tracer import trace
from service.settings import get_settings
from tests.cli.conftest import CELL, model_home

__all__ = ["model_home"]


@pytest.fixture(autouse=True)
def home(model_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHTCAST_HOME", str(model_home))
    monkeypatch.setenv("WEIGHTCAST_DEFAULT_MODEL", "tiny")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 24, 3)
        self.norm = nn.BatchNorm2d(24)
        self.fc = nn.Linear(24, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = torch.relu(self.norm(self.conv(images)))
        return self.fc(features.mean((2, 3)))


def predict(kind: str, *arguments: Any, **options: Any) -> PredictedWeights:
    async def awaited() -> PredictedWeights:
        async with AsyncClient.local() as client:
            return await client.predict_weights(*arguments, **options)

    if kind == "async":
        return asyncio.run(awaited())
    with Client.local() as client:
        return client.predict_weights(*arguments, **options)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("output", ["tiles", "safetensors", "npz"])
def test_a_module_gets_the_numbers_of_the_model(kind: str, output: Any) -> None:
    model = Net()
    weights = predict(kind, model, model="tiny", output=output, input_shape=(3, 16, 16))
    assert weights.complete and weights.model == "tiny" and weights.result is not None
    expected = load_model("tiny").predict(trace(model, input_shape=(3, 16, 16))).expand()
    assert weights.apply_to(model).fits
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(parameter.detach().numpy(), expected[name])


def test_an_onnx_file_is_filled_in(tmp_path: Path) -> None:
    torch.onnx.export(Net().eval(), (torch.zeros(1, 3, 16, 16),), "net.onnx", dynamo=True, optimize=False)
    weights = predict("sync", "net.onnx", model="tiny")
    filled = onnx.load(weights.save("filled.onnx"))
    (conv,) = (tensor for tensor in filled.graph.initializer if tensor.name == "conv.weight")
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(conv), weights.numpy()["conv.weight"])


def test_the_same_question_has_the_same_digest() -> None:
    with Client.local() as client:
        first, again = (client.predict_weights(f"nasbench201:{CELL}", model="tiny") for _ in range(2))
        other = client.predict_weights(f"nasbench201:{CELL}", model="tiny", dtype="float16")
    assert first.digest == again.digest != other.digest
    assert other.dtype == "float16"


def test_cells_are_ranked() -> None:
    best = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    worst = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    cells = [{"format": "nasbench201", "cell": cell} for cell in (worst, best)]
    with Client.local() as client:
        ranking = client.rank_architectures([*cells, {"format": "nasbench201", "cell": "|x~0|"}])
    assert isinstance(ranking, Ranking)
    assert [row.index for row in ranking.ranking] == [1, 0] and ranking.skipped[0].index == 2


def test_networks_are_embedded_and_compared() -> None:
    model = Net()
    with Client.local() as client:
        networks = [model, f"nasbench201:{CELL}", {"format": "nasbench201", "cell": "|x~0|"}, model]
        embedded = client.embed_architectures(networks)
        compared = client.compare_architectures(networks)
        by_nodes = client.compare_architectures(networks, by="nodes")
    expected = load_model("tiny").embed([trace(model)])[0]
    np.testing.assert_allclose(embedded.embeddings[0], expected, rtol=1e-6)
    assert (embedded.model, embedded.width) == ("tiny", len(expected))
    for answer in (embedded, compared, by_nodes):
        assert answer.indices == [0, 1, 3] and [item.index for item in answer.skipped] == [2]
    for distances in (compared.distances, by_nodes.distances):
        assert distances[0][2] == 0 and distances[0][1] == distances[1][0] > 0


def test_models_are_those_of_this_machine() -> None:
    with Client.local() as client:
        assert {"tiny", "ghn2-cifar10"} <= {model.name for model in client.models()}
        assert client.model("tiny").dataset == "digits"
        with pytest.raises(NotFound, match="none-such"):
            client.model("none-such")
        assert client.health().ready


def test_refusals_are_those_of_a_service() -> None:
    with Client.local() as client:
        with pytest.raises(Refused) as unknown:
            client.predict_weights(f"nasbench201:{CELL}", model="none-such")
        assert unknown.value.code == "unknown-model"
        with pytest.raises(Refused) as order:
            client.rank_architectures([f"nasbench201:{CELL}"], order="upwards")  # type: ignore[arg-type]
        assert order.value.problem["field"] == "/order"


def test_what_only_a_service_has_is_said(tmp_path: Path) -> None:
    with Client.local() as client:
        with pytest.raises(NotFound) as jobs:
            list(client.jobs())
        assert jobs.value.hint is not None and "weightcast serve" in jobs.value.hint


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.extras.find_spec", lambda name: None)
    for kind in (Client, AsyncClient):
        with pytest.raises(NotInstalled, match=r"'\.\[models\]'"):
            kind.local()


def test_a_network_with_early_exits_gets_the_weights_of_all_of_them() -> None:
    nodes = [
        {"operation": "conv_3x3", "scale": 0, "inputs": [0], "exit": True},
        {"operation": "conv_1x1", "scale": 2, "inputs": [1], "exit": True},
    ]
    document = {"format": "anytime", "channels": 16, "blocks": [nodes]}
    weights = predict("sync", document, model="tiny")
    assert weights.complete and weights.result is not None
    exits = weights.result.exits
    assert [(exit_.node, exit_.multiply_adds) for exit_ in exits] == [
        ("blocks.0.0.exit", 3063968),
        ("blocks.0.1.exit", 3392288),
    ]
    assert {name for exit_ in exits for name in exit_.parameters} <= set(weights.numpy())
