"""How jobs appear on the wire, for OpenAPI."""

from __future__ import annotations

from service.kit.json_types import JsonObject

JOB_ID_PATTERN = r"^[0-9a-f]{32}$"

_TIMES = {"created_at": "2026-01-01T12:00:00.000Z", "started_at": "2026-01-01T12:00:00.020Z"}
_ID = "019b7a1c5e8f4d3c2b1a09f8e7d6c5b4"
_LINKS = {"self": f"/jobs/{_ID}", "events": f"/jobs/{_ID}/events"}

RUNNING_JOB_EXAMPLE: JsonObject = {
    "id": _ID,
    "kind": "predict",
    "about": {
        "name": "resnet50",
        "task": None,
        "model": "ghn2-cifar10",
        "space": None,
        "architectures": None,
    },
    "status": "running",
    **_TIMES,
    "finished_at": None,
    "progress": {"done": 1, "total": 3, "message": "predicting"},
    "result": None,
    "error": None,
    "links": _LINKS,
}
FINISHED_JOB_EXAMPLE: JsonObject = {
    **RUNNING_JOB_EXAMPLE,
    "status": "succeeded",
    "finished_at": "2026-01-01T12:00:00.450Z",
    "progress": {"done": 3, "total": 3, "message": "done"},
    "result": {
        "digest": "5f0c" * 16,
        "model": "ghn2-cifar10",
        "cached": False,
        "num_tensors": 161,
        "num_parameters": 25557032,
        "complete": True,
        "coverage": 1.0,
        "defaulted": [],
        "weights": {"url": f"/weights/{'5f0c' * 16}.safetensors", "size": 102246112, "sha256": "9a3e" * 16},
        "timings_ms": {"parse": 8.1, "encode": 5.2, "gnn": 31.0, "decode": 24.8, "write": 120.4},
    },
}
