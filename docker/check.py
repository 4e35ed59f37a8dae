"""Checks the compose file for real: start, predict, train through a restart, fail, stop.

    .venv/bin/python docker/check.py resnet50.onnx > docker/compose-run.log

resnet50.onnx: torchvision's, exported for training, so that batch normalisation is still there; without its
weights, for the file is larger than a request may be with them.

Needs a Docker engine; builds images that are not there. Makes a project `weightcast-check` with volumes of
its own, removes both at the end. COMPOSE names the command (default: `docker compose`). Exit status 0 if
everything held.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

URL = f"http://127.0.0.1:{os.environ.get('PUBLISHED_PORT', '8000')}"
PROJECT = "weightcast-check"
COMPOSE = [*shlex.split(os.environ.get("COMPOSE", "docker compose")), "--project-name", PROJECT]
SERVICES = ("redis", "redis-cache", "api", "predict", "training")
BASE_IMAGE = "python:3.11-slim-bookworm"
IMAGES = ("weightcast-api:0.1.0", "weightcast-worker:0.1.0")
MODEL = "digits-check"


def main(onnx: Path) -> int:
    started = time.monotonic()
    try:
        compose("up", "--detach")
        check("all services are healthy", until(all_healthy, 300))
        check_images()
        check_confinement()
        with httpx.Client(base_url=URL, timeout=120) as http:
            check_prediction(http, onnx)
            check_training(http, onnx)
            check_failures(http, onnx)
    finally:
        compose("down", "--volumes")
    check("no container is left", not containers())
    say(f"done in {time.monotonic() - started:.0f} s")
    return 0


def check_images() -> None:
    base = size(BASE_IMAGE)
    for image in IMAGES:
        added = (size(image) - base) / 1e6
        say(f"image {image}: {added:.0f} MB on top of {base / 1e6:.0f} MB of {BASE_IMAGE}")
    torch = "import importlib.util as u; print('torch' if u.find_spec('torch') else 'no torch')"
    check("the API image has no torch", inside("api", "python", "-c", torch) == "no torch")


def size(image: str) -> int:
    """Bytes on the disk, not compressed."""
    return int(run("docker", "image", "inspect", "--format", "{{.Size}}", image))


def check_confinement() -> None:
    for name in SERVICES:
        who = inside(name, "id")
        say(f"{name}: {who}")
        check(f"{name} is not root", "uid=0(" not in who)
        refused = exec_in(name, "touch", "/here", "/usr/here", "/opt/here")
        read_only = refused.stderr.count("Read-only file system") == 3
        check(f"{name} cannot write to its root file system", read_only)
        status = inside(name, "grep", "-E", "CapEff|NoNewPrivs", "/proc/1/status").split()
        confined = status[1::2] == ["0" * 16, "1"]
        check(f"{name} has no capabilities and gains none: {' '.join(status)}", confined)
    names = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"
    networks = run("docker", "inspect", "--format", names, container_of("predict")).split()
    closed = [run("docker", "network", "inspect", "--format", "{{.Internal}}", name) for name in networks]
    check(f"the only network of a worker, {' '.join(networks)}, has no way out", closed == ["true"])


def check_prediction(http: httpx.Client, onnx: Path) -> None:
    ready = http.get("/readyz").json()
    check(f"GET /readyz: {ready['checks']['workers']}", ready["ready"])
    job = predict(http, onnx)
    say(f"POST /predict-weights, {onnx.stat().st_size} bytes: {json.dumps(shortened(job))}")
    result = job["result"]
    check("complete", result["complete"] and result["num_parameters"] == 25_557_032)
    file = http.get(result["weights"]["url"]).content
    digest = hashlib.sha256(file).hexdigest()
    check(
        f"GET {result['weights']['url'][:24]}...: {len(file)} bytes, the digest is right",
        (len(file), digest) == (result["weights"]["size"], result["weights"]["sha256"]),
    )
    for name in SERVICES:
        say(f"memory of {name}: {memory(name)}")
    again = predict(http, onnx)
    check("the same request is answered from the cache", again["result"]["cached"])


def check_training(http: httpx.Client, onnx: Path) -> None:
    """A job of one minute, its worker restarted in the middle: it goes on from its checkpoint."""
    asked = {"kind": "ghn", "name": MODEL, "config": {"data": "digits", "minutes": 1}}
    job_url = http.post("/training-jobs", json=asked).raise_for_status().json()["links"]["self"]
    check("a third of a training job is done", until(lambda: done_share(http, job_url) > 33, 240))
    say(f"training: {http.get(job_url).json()['progress']}")
    with timed("docker compose restart training"):
        compose("restart", "training")
    shares: list[float] = []

    def ended() -> bool:
        job = http.get(job_url).json()
        shares.append((job["progress"] or {}).get("done", 0))
        return job["status"] in ("succeeded", "failed", "cancelled")

    check("the job ends", until(ended, 420))
    job = http.get(job_url).json()
    say(f"training: {json.dumps(shortened(job))}")
    check("it succeeded, and did not start over", job["status"] == "succeeded" and min(shares) > 20)
    model = http.get(f"/models/{MODEL}").json()
    say(f"GET /models/{MODEL}: {model['kind']}, {model['dataset']}, {model['num_classes']} classes")
    result = predict(http, onnx, MODEL)["result"]
    check(
        f"its model predicts: {result['num_tensors']} tensors",
        result["model"] == MODEL and result["complete"],
    )


def check_failures(http: httpx.Client, onnx: Path) -> None:
    with timed("docker compose kill -s KILL predict, until a prediction of it after the restart"):
        compose("kill", "-s", "KILL", "predict")
        compose("up", "--detach", "--no-build", "--no-deps", "predict")
        check("predictions go on", until(lambda: answers(http, onnx, "float16"), 120))
    compose("stop", "redis-cache")
    check("without the cache, predictions go on", answers(http, onnx, "float16"))
    listed = http.get("/jobs").json()
    with timed("docker compose restart redis redis-cache, until ready"):
        compose("restart", "redis", "redis-cache")
        check("ready again", until(lambda: http.get("/readyz").status_code == 200, 120))
    check(
        "the records of all jobs are still there",
        len(http.get("/jobs").json()["jobs"]) == len(listed["jobs"]),
    )
    check("predictions go on", until(lambda: answers(http, onnx, "bfloat16"), 60))


def predict(
    http: httpx.Client, onnx: Path, model: str | None = None, dtype: str = "float32"
) -> dict[str, Any]:
    fields = {"dtype": dtype, **({"model": model} if model else {})}
    with onnx.open("rb") as file:
        answer = http.post(
            "/predict-weights", files={"architecture": file}, data=fields, headers={"Prefer": "wait=60"}
        )
    answer.raise_for_status()
    return answer.json()


def answers(http: httpx.Client, onnx: Path, dtype: str) -> bool:
    try:
        return bool(predict(http, onnx, dtype=dtype)["status"] == "succeeded")
    except httpx.HTTPStatusError as error:
        if error.response.status_code != 503:
            raise
        return False


def done_share(http: httpx.Client, job_url: str) -> float:
    job = http.get(job_url).json()
    check("the job is not over yet", job["status"] in ("queued", "running"), quiet=True)
    return float((job["progress"] or {}).get("done", 0))


def shortened(job: dict[str, Any]) -> dict[str, Any]:
    return {key: job[key] for key in ("kind", "status", "result", "error") if job.get(key) is not None}


def all_healthy() -> bool:
    found = dict(line.split() for line in containers())
    return all(found.get(name) == "healthy" for name in SERVICES)


def containers() -> list[str]:
    """`service health` of each container of the project."""
    ids = run("docker", "ps", "--quiet", "--all", "--filter", f"label=com.docker.compose.project={PROJECT}")
    form = '{{index .Config.Labels "com.docker.compose.service"}} {{.State.Health.Status}}'
    return run("docker", "inspect", "--format", form, *ids.split()).splitlines() if ids else []


def memory(service: str) -> str:
    """In use, of the limit; with what the kernel keeps of files."""
    return run("docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", container_of(service))


def container_of(service: str) -> str:
    labels = {"project": PROJECT, "service": service}
    filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
    return run("docker", "ps", "--quiet", *filters)


def compose(*arguments: str) -> None:
    """Its own output goes to standard error: it is long, and tells of the machine."""
    say(f"$ docker compose {' '.join(arguments)}")
    subprocess.run([*COMPOSE, *arguments], check=True, stdout=sys.stderr)


def exec_in(service: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMPOSE, "exec", "-T", service, *command], capture_output=True, text=True, check=False
    )


def inside(service: str, *command: str) -> str:
    done = exec_in(service, *command)
    check(f"{command[0]} runs in {service}: {done.stderr}", done.returncode == 0, quiet=True)
    return done.stdout.strip()


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true in time. An API that is being restarted is "not yet"."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except httpx.TransportError:
            pass
        time.sleep(1)
    return False


@contextmanager
def timed(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - started:.1f} s")


def check(what: str, holds: bool, *, quiet: bool = False) -> None:
    if not holds:
        raise SystemExit(f"FAILED: {what}")
    if not quiet:
        say(f"ok: {what}")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
