"""fine_tune from the request to the weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from service.client import JobFailed, Refused, UnexpectedAnswer
from tests.client.conftest import Either, FakeTime
from tests.client.scripted import Script, download, job, prediction, two_tensor_weights, weights_file

Make = Callable[..., Either]
CELL = {"format": "nasbench201", "cell": "|none~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|"}


def tuning(body: bytes) -> dict[str, Any]:
    epochs = [
        {"epoch": epoch, "loss": 2.0, "training_accuracy": 10.0, "validation_accuracy": 10.0 + epoch}
        for epoch in (0, 1)
    ]
    weights = prediction(body)["weights"]
    found = {"parameters": 224, "history": epochs, "test_accuracy": 11.5, "start": {"model": "mine"}}
    return {"kind": "finetune", "digest": "d" * 64, "weights": weights, "data": "photos", **found}


def test_the_weights_come_back(either: Make, fake_time: FakeTime, tmp_path: Path) -> None:
    body = weights_file("safetensors")
    script = Script(job(result=tuning(body)), download(body))
    tuned = either(script.transport).fine_tune(CELL, data="photos", epochs=1, compare=True, name="ours")
    assert script.sent_json() == {
        "kind": "finetune",
        "name": "ours",
        "config": {
            "architecture": CELL,
            "data": "photos",
            "epochs": 1,
            "compare": True,
        },
    }
    assert "Idempotency-Key" in script.requests[0].headers
    assert [entry.validation_accuracy for entry in tuned.history] == [10.0, 11.0]
    assert tuned.test_accuracy == 11.5 and tuned.start == {"model": "mine"}
    expected = two_tensor_weights().expand()
    assert tuned.state_dict().keys() == expected.keys()
    for name, array in load_file(tuned.save(tmp_path / "ours.safetensors")).items():
        np.testing.assert_array_equal(array, expected[name])
        np.testing.assert_array_equal(tuned.state_dict()[name].numpy(), expected[name])
    for ending in ("onnx", "pt"):  # no ONNX model was sent; no form of ours
        with pytest.raises(Refused):
            tuned.save(tmp_path / f"ours.{ending}")


def test_what_goes_wrong(either: Make, fake_time: FakeTime) -> None:
    failed = Script(job("failed", error={"status": 422, "detail": "10 classes"}))
    with pytest.raises(JobFailed, match="10 classes"):
        either(failed.transport).fine_tune(CELL, data="photos")
    damaged = Script(job(result=tuning(b"none")), download(b"none"))
    with pytest.raises(UnexpectedAnswer):
        either(damaged.transport).fine_tune(CELL, data="photos")


def test_an_example_says_what_a_module_is_called_with(either: Make, fake_time: FakeTime) -> None:
    body = weights_file("safetensors")
    script = Script(job(result=tuning(body)), download(body))
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten())
    either(script.transport).fine_tune(model, data="photos", example=torch.zeros(1, 3, 9, 9))
    assert script.sent_json()["config"]["architecture"]["input_shape"] == [3, 9, 9]
