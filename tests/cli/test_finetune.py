"""weightcast finetune, in this process. By a service: tests/client, tests/system."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from service.graph_io.json_writer import graph_document
from service.graph_io.torch_tracer import trace
from service.settings import get_settings
from tests import torchscript_exporter
from tests.cli.conftest import SMALL_GRAPH, Run, problems, write_json

QUICK = "--data digits --images 128 --batch-size 32 --head keep --epochs 2 --learning-rate 0.1".split()


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return write_json(tmp_path / "net.json", SMALL_GRAPH)


def test_the_weights_are_written(run: Run, net: Path) -> None:
    result = run("finetune", net, *QUICK, "--compare", "--out", "deep/tuned.safetensors")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("digits: 10 classes, 1,797 images (")
    assert lines[0].endswith("not mirrored in training")
    lines = lines[12:]  # the classes and their images come first
    for number, line in enumerate(lines[:6]):
        assert line.startswith(f"{('predicted', 'random')[number // 3]} start, epoch {number % 3}:")
    assert lines[6].startswith("After 2 epochs, the ") and "of 200 validation images" in lines[6]
    assert lines[7].startswith(f"{net}: 306 parameters") and len(lines) == 8
    assert "of 360 test images" in lines[7] and " start " in lines[7].partition("360 test images")[2]
    assert "of 128 training images" in lines[2] and "of 200 validation images" in lines[2]
    assert set(load_file("deep/tuned.safetensors")) == {"conv.weight", "fc.weight", "fc.bias"}
    assert not list((get_settings().home / "runs").glob("finetune-*"))


def test_the_start_itself_with_its_last_layer_solved(run: Run, net: Path) -> None:
    result = run("finetune", net, "--data", "digits", "--epochs", "0", "--json")
    document = json.loads(result.stdout)
    assert document["start"]["classifier"] == "solved" and document["kept_epoch"] == 0
    assert document["verdict"]["after_epochs"] == 0 and document["test_images"] == 360
    assert set(load_file("net.safetensors")) == {"conv.weight", "fc.weight", "fc.bias"}


def test_json(run: Run, net: Path) -> None:
    result = run("finetune", net, *QUICK, "--start", "predicted", "--json")
    document = json.loads(result.stdout)
    assert document["file"] == "net.safetensors" and Path("net.safetensors").is_file()
    assert [entry["epoch"] for entry in document["history"]] == [0, 1, 2]
    assert document["start"]["model"] == "tiny" and document["start"]["classifier"] == "predicted"
    assert document["inventory"]["images"] == {"train": 1237, "validation": 200, "test": 360}
    assert document["classes"] == [str(digit) for digit in range(10)]


def test_an_interrupted_command_goes_on(run: Run, net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = (*QUICK, "--start", "predicted")
    whole = run("finetune", net, *quick, "--out", "whole.safetensors")
    from training.finetune import work

    go_on = work.Work._measured

    def stop(self: Any, *told: Any) -> None:
        go_on(self, *told)
        self.interruption.requested = True

    with monkeypatch.context() as patch:
        patch.setattr(work.Work, "_measured", stop)
        assert run("finetune", net, *quick, "--out", "parts.safetensors").exit_code == 130
        assert not Path("parts.safetensors").exists()
    rest = run("finetune", net, *quick, "--out", "parts.safetensors")
    epochs, before = (
        [line for line in result.stdout.splitlines() if " epoch " in line] for result in (rest, whole)
    )
    assert epochs == before[1:]
    assert Path("parts.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()


def test_what_is_refused(run: Run, net: Path) -> None:
    assert run("finetune", net, "--data", "digits", "--out", "tuned.pt").exit_code == 2
    assert run("finetune", net, "--data", "digits", "--epochs", "-1").exit_code == 2
    assert run("finetune", net).exit_code == 2
    for rate in ("1e300", "11", "0", "-1", "nan"):
        assert run("finetune", net, "--data", "digits", "--learning-rate", rate).exit_code in (2, 3)
    few = run("finetune", net, "--data", "digits", "--images", "1")
    assert few.exit_code == 2 and "--images" in few.stderr
    unknown = run("finetune", net, "--data", "digits", "--model", "none-such")
    assert unknown.exit_code == 3 and "none-such" in problems(unknown)[0]["detail"]
    nodes = json.loads(net.read_text())["nodes"]
    nodes[-1]["params"] = {"weight": {"name": "fc.weight", "shape": [7, 8]}}
    write_json(net, {**SMALL_GRAPH, "nodes": nodes})
    other = run("finetune", net, "--data", "digits")
    assert other.exit_code == 3 and problems(other)[0]["field"] == "/architecture"
    assert list(net.parent.glob("*.safetensors")) == []


def test_a_training_that_diverges_has_failed(run: Run, tmp_path: Path) -> None:
    deep = [nn.Linear(16, 16) for _ in range(5)]
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), *deep, nn.Linear(16, 10))
    source = write_json(tmp_path / "net.json", graph_document(trace(net, input_shape=(3, 8, 8))))
    ended = run("finetune", source, *QUICK[:-3], "20", "--learning-rate", "10", "--out", "tuned.safetensors")
    assert ended.exit_code == 1, ended.output
    (problem,) = problems(ended)
    assert problem["type"].endswith("/training-diverged") and problem["step"] > 1
    assert not Path("tuned.safetensors").exists()
    assert not list((get_settings().home / "runs").glob("finetune-*"))


def test_an_onnx_model_is_filled_in(run: Run, tmp_path: Path) -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)
    )
    options: dict[str, Any] = {"training": torch.onnx.TrainingMode.TRAINING, "do_constant_folding": False}
    data = torchscript_exporter.export(net, (torch.zeros(1, 3, 8, 8),), **options)
    Path("net.onnx").write_bytes(data)
    assert run("finetune", "net.onnx", *QUICK, "--out", "net.onnx").exit_code == 2
    assert run("finetune", "net.onnx", *QUICK, "--out", "tuned.onnx").exit_code == 0
    assert run("finetune", "net.onnx", *QUICK, "--out", "tuned.safetensors").exit_code == 0
    filled = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load("tuned.onnx").graph.initializer}
    tensors = load_file("tuned.safetensors")
    assert "1.running_var" in tensors
    for name, values in tensors.items():
        np.testing.assert_array_equal(filled[name], values)
    graph = write_json(tmp_path / "net.json", SMALL_GRAPH)
    assert run("finetune", graph, *QUICK, "--out", "x.onnx").exit_code == 2


def test_wrong_names_are_refused_before_anything_is_loaded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.cli.reading.read_network", lambda *_, **__: pytest.fail("it was read"))
    data = run("finetune", "torchvision:resnet18", "--data", "nope")
    assert data.exit_code == 3 and "There is no data set 'nope'" in problems(data)[0]["detail"]
    model = run("finetune", "torchvision:resnet18", "--data", "digits", "--model", "nope")
    assert model.exit_code == 3 and "There is no model 'nope'" in problems(model)[0]["detail"]
