"""The client and the command line against the real API, over a real connection, with a worker that needs no
model.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from torch import nn
from typer.testing import CliRunner

from service.cli.app import app
from service.client import AsyncClient, Client, Conflict, JobCancelled, JobFailed, NotFound, Progress, Refused
from service.store.workers import WorkerInfo
from tests.api.conftest import MODEL
from tests.api.fake_worker import FakeWorker
from tests.graph_io.test_onnx_strip import network


class Net(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10)
        )


def test_a_module_goes_and_its_weights_come_back(url: str) -> None:
    module = Net()
    with Client(url) as client:
        assert client.health().ready
        assert [model.name for model in client.models()].count(MODEL) == 1
        weights = client.predict_weights(module, model=MODEL, input_shape=(3, 8, 8))
        report = weights.apply_to(module)
    assert report.fits and len(report.applied) == 6
    assert all(parameter.eq(0.5).all() for parameter in module.parameters())
    assert weights.complete and weights.result is not None and not weights.result.cached


def test_forms_and_kinds_of_input_agree(url: str, tmp_path: Path) -> None:
    model = network()
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    with Client(url) as client:
        first = client.predict_weights(path, model=MODEL)
        again = [
            client.predict_weights(source, model=MODEL) for source in (str(path), path.read_bytes(), model)
        ]
        forms = [client.predict_weights(path, model=MODEL, output=form) for form in ("safetensors", "npz")]
    assert all(weights.digest == first.digest for weights in again)  # stripped or not, it is one network
    for weights in (*again, *forms):
        assert weights.names == first.names
        for name, array in weights.numpy().items():
            np.testing.assert_array_equal(array, first.numpy()[name])


def test_a_slow_job_is_watched_and_cancelled(url: str, worker: FakeWorker) -> None:
    worker.seconds = 30
    with Client(url) as client, Client(url) as other:
        seen: list[Progress] = []
        failure: list[BaseException] = []

        def predict() -> None:
            try:
                client.predict_weights("torchvision:resnet18", model=MODEL, progress=seen.append)
            except Exception as error:
                failure.append(error)

        thread = threading.Thread(target=predict)
        thread.start()
        deadline = time.monotonic() + 10
        while not (jobs := [job for job in other.jobs() if job.status == "running"]):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        events = other.job_events(jobs[0].id)
        assert next(events).event == "state"
        other.cancel_job(jobs[0].id)
        assert [event.event for event in events][-1] == "end"
        with pytest.raises(NotFound):
            other.job("0" * 32)
        thread.join(25)
    assert "cancelled" in str(failure[0])


def test_refusals_and_failures(url: str, worker: FakeWorker) -> None:
    with Client(url) as client:
        with pytest.raises(Refused) as refused:
            client.predict_weights({"format": "graph", "input_shape": [3], "nodes": []}, model=MODEL)
        assert refused.value.code == "invalid-architecture"
        with pytest.raises(Refused) as unknown:
            client.predict_weights("torchvision:resnet18", model="none-such")
        assert MODEL in unknown.value.problem["available"]
        with pytest.raises((JobFailed, Refused)) as failed:
            client.predict_weights("torchvision:resnet999", model=MODEL)
        assert "torchvision" in str(failed.value)
        done = client.predict_weights("torchvision:resnet18", model=MODEL)
        assert done.result is not None
        with pytest.raises(Conflict):
            client.cancel_job(next(job.id for job in client.jobs() if job.status == "succeeded"))


def test_training_jobs(url: str, worker: FakeWorker) -> None:
    worker.registry.announce(WorkerInfo(queue="training", name="fake:2"), 600)
    with Client(url) as client:
        job = client.create_training_job(
            "ghn", "mine", {"data": "digits", "minutes": 2}, idempotency_key="k-1"
        )
        again = client.create_training_job(
            "ghn", "mine", {"data": "digits", "minutes": 2}, idempotency_key="k-1"
        )
        assert again.id == job.id
        assert [listed.id for listed in client.training_jobs(page_size=1)] == [job.id]
        assert client.cancel_job(job.id).status == "cancelled"
        with pytest.raises(JobCancelled):
            client.wait_for_job(job.id)
        with pytest.raises(Refused):
            client.create_training_job("ghn", "mine", {"data": "digits"})


async def test_equal_requests_at_once_are_computed_once(url: str, worker: FakeWorker) -> None:
    worker.seconds = 0.2
    async with AsyncClient(url) as client:
        calls = [client.predict_weights("torchvision:resnet18", model=MODEL) for _ in range(8)]
        answers = await asyncio.gather(*calls)
        listed = [job async for job in client.jobs()]
    assert len({weights.digest for weights in answers}) == 1
    assert worker.runs[answers[0].digest or ""] == 1
    assert len(listed) == 1


def test_the_command_line_against_a_service(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.onnx").write_bytes(network().SerializeToString())
    (tmp_path / "bad.onnx").write_bytes(b"\x0a\xff\xff\xff")
    runner = CliRunner(env={"WEIGHTCAST_URL": url})

    result = runner.invoke(app, ["predict", "net.onnx", "--model", MODEL, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[0]["file"] == "net.safetensors"
    refused = runner.invoke(app, ["predict", "bad.onnx", "--model", MODEL])
    assert refused.exit_code == 3
    assert json.loads(refused.stderr)["status"] == 400

    jobs = json.loads(runner.invoke(app, ["jobs", "list", "--json"]).stdout)
    assert [job["status"] for job in jobs] == ["succeeded"]
    watched = runner.invoke(app, ["jobs", "watch", jobs[0]["id"]])
    assert watched.exit_code == 0
    assert watched.stdout.splitlines()[-1].startswith("predict net.onnx succeeded after ")
    assert runner.invoke(app, ["jobs", "cancel", jobs[0]["id"]]).exit_code == 1
    assert MODEL in runner.invoke(app, ["models", "list"]).stdout
