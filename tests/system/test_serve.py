"""One command starts everything, survives what kills parts of it, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from safetensors.numpy import load

from benchmarks.served import RunningService, end, soon, start

# One group: the tests share a service, and must run in one test process.
pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.xdist_group("service")]


def torchvision(name: str, **options: object) -> dict[str, object]:
    return {"architecture": {"format": "torchvision", "name": name}, **options}


def test_predict_and_download(service: RunningService) -> None:
    answer = service.post("/predict-weights", torchvision("resnet18"), Prefer="wait=30")
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    assert result["complete"] and result["num_parameters"] == 11_689_512
    tensors = load(service.get(result["weights"]["url"]).content)
    assert tensors["layer4.1.conv2.weight"].shape == (512, 512, 3, 3)
    again = service.post("/predict-weights", torchvision("resnet18"))
    assert again.json()["result"]["cached"] and again.json()["result"]["digest"] == result["digest"]


def test_equal_requests_at_once_are_computed_once(service: RunningService) -> None:
    body = torchvision("squeezenet1_1", output="tiles")
    with ThreadPoolExecutor(30) as pool:
        answers = list(
            pool.map(lambda _: service.post("/predict-weights", body, Prefer="wait=30"), range(60))
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["result"]["digest"] for answer in answers}) == 1
    ids = {answer.json()["id"] for answer in answers}
    assert sum(bool(log_lines(service, "job.started", job_id=job_id)) for job_id in ids) == 1


def test_one_request_is_found_in_every_log_and_its_job_in_the_metrics(service: RunningService) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"X-Request-ID": "follow-me", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    cell = "|none~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    body = {"architecture": {"format": "nasbench201", "cell": cell, "cells_per_stage": 1}}
    answer = service.post("/predict-weights", body, Prefer="wait=30", **headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-request-id"] == "follow-me" and "wait;dur=" in answer.headers["server-timing"]
    for event in ("job.created", "job.started", "job.succeeded"):
        (line,) = soon(lambda event=event: log_lines(service, event, job_id=answer.json()["id"]))
        assert line["request_id"] == "follow-me" and line["trace_id"] == trace, event
    # Written when the answer is on its way, so the caller may have it before.
    assert soon(lambda: log_lines(service, "request.done", request_id="follow-me"))

    metrics = service.get("/metrics").text
    for stage in ("parse", "model", "encode", "gnn", "decode", "check", "write"):
        assert f'weightcast_job_stage_duration_seconds_count{{kind="predict",stage="{stage}"}}' in metrics
    assert 'weightcast_worker_heartbeat_age_seconds{queue="training"}' in metrics


def log_lines(service: RunningService, event: str, **fields: object) -> list[dict[str, object]]:
    """Lines of the service's log with this event and these fields."""
    # Cheap first: the log is long, and some tests look every few milliseconds.
    texts = [text for text in service.log.read_text().splitlines() if f'"{event}"' in text]
    lines = [json.loads(text) for text in texts]
    return [line for line in lines if fields.items() <= line.items()]


def kill_during_job(service: RunningService, victim: int, names: list[str]) -> None:
    """Kill a process of the predict worker while it computes: 0 the parent, 1 the child that does the work.

    names: networks to try, for a job may be done before it is hit.
    """
    for name in names:
        soon(service.is_ready)
        job = service.post("/predict-weights", torchvision(name), Prefer="respond-async").json()
        soon(lambda job_id=job["id"]: log_lines(service, "job.started", job_id=job_id), every=0.005)
        service.workers("predict")[victim].kill()
        ended = service.final(job["id"])
        assert ended["status"] == "succeeded", ended
        assert service.get(ended["result"]["weights"]["url"]).status_code == 200
        if log_lines(service, "job.started", job_id=job["id"], attempt=2):
            return
    pytest.fail("no job was hit")


def test_a_job_survives_the_death_of_the_process_that_computes_it(service: RunningService) -> None:
    kill_during_job(service, 1, ["resnet50", "resnet101", "resnet152"])


def test_a_job_survives_the_death_of_its_worker(service: RunningService) -> None:
    kill_during_job(service, 0, ["densenet121", "densenet169", "densenet201"])
    soon(service.is_ready)


def test_redis_may_crash_and_come_back(service: RunningService) -> None:
    before = service.post("/predict-weights", torchvision("mobilenet_v2"), Prefer="wait=30").json()
    (redis,) = (p for p in service.children() if "redis-server" in p.name())
    time.sleep(1.2)  # the last second may be lost
    redis.kill()
    soon(service.is_ready)
    assert service.get(f"/jobs/{before['id']}").json()["status"] == "succeeded"
    after = soon(lambda: answered(service, "mobilenet_v3_small"))
    assert after["result"]["complete"]


def answered(service: RunningService, name: str) -> dict[str, object] | None:
    answer = service.post("/predict-weights", torchvision(name), Prefer="wait=30")
    return answer.json() if answer.status_code == 200 else None


def test_a_second_service_on_the_same_home_or_port_is_refused(
    service: RunningService, tmp_path: Path
) -> None:
    for home, port, said in (
        (service.home, "0", "already runs"),
        (tmp_path, service.url.rpartition(":")[2], "is already in use"),
    ):
        command = [sys.executable, "-m", "service.cli", "serve", "--port", port]
        second = subprocess.run(
            command,
            env={**os.environ, "WEIGHTCAST_HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert second.returncode == 1 and said in second.stderr
    assert service.is_ready()


def gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def ends(running: RunningService, number: signal.Signals) -> bool:
    """Send the signal. Returns whether all processes are gone in time; the status must be the right one."""
    processes = running.children()
    assert len(processes) == 6  # Redis, the API, two workers with a child each
    sent = time.monotonic()
    running.process.send_signal(number)
    assert running.process.wait(30) == (0 if number == signal.SIGINT else -signal.SIGKILL)
    soon(lambda: gone(processes), 10)
    return time.monotonic() - sent < 15


def test_ctrl_c_ends_everything_and_every_line_is_json_where_json_is_set(own_home: Path) -> None:
    running = start(own_home, log_format="json")
    try:
        answer = running.post("/predict-weights", torchvision("squeezenet1_1"), Prefer="respond-async")
        running.final(answer.json()["id"])
        assert ends(running, signal.SIGINT)
    finally:
        end(running)
    assert not (own_home.parent / "serve.out").read_text()
    lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    events = {line["event"] for line in lines}
    assert {"service.ready", "api.listening", "worker.stopping", "job.succeeded"} <= events
    # Probes and polls come every second, and would drown the rest.
    paths = [line["path"] for line in lines if line["event"] == "request.done"]
    assert paths == ["/predict-weights"]


def test_nothing_is_left_when_it_is_killed(own_home: Path) -> None:
    running = start(own_home)
    try:
        assert ends(running, signal.SIGKILL)
    finally:
        end(running)
