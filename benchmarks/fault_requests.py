"""Jobs of all kinds for a service that is being hurt, and a caller that does not give up."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.served import RunningService

_OPERATIONS = ("skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_NETWORKS = ("resnet18", "squeezenet1_1", "mobilenet_v2", "shufflenet_v2_x0_5")
_TINY_GHN = {
    "data": "digits",
    "ghn": {"hidden": 8, "max_channels": 8},
    "stages": [{"image_size": 8, "cost": 5, "most_channels": 16, "meta_batch": 1, "images": 16}],
    "validate_networks": 1,
    "checkpoint_minutes": 0.005,
    "steps": 10,
}
FINAL = ("succeeded", "failed", "cancelled")
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose answer must not depend on what happens meanwhile (`is_exact`), or only must come."""

    kind: str
    path: str
    body: dict[str, Any]
    is_exact: bool = True


def cell(rng: random.Random) -> dict[str, str]:
    """A random cell of NAS-Bench-201."""
    ops = [rng.choice(_OPERATIONS) for _ in range(6)]
    text = f"|{ops[0]}~0|+|{ops[1]}~0|{ops[2]}~1|+|{ops[3]}~0|{ops[4]}~1|{ops[5]}~2|"
    return {"format": "nasbench201", "cell": text}


def mixed_calls(count: int, seed: int = 0) -> list[Call]:
    """So many calls: in a hundred about 68 predictions, 15 rankings, 8 embeddings, 6 comparisons, 2 fits of
    predictors, and 1 training of a GHN.
    """
    rng = random.Random(seed)
    return [_call(number, rng) for number in range(count)]


def _call(number: int, rng: random.Random) -> Call:
    draw = rng.random()
    if draw < 0.4:
        return Call("predict", "/predict-weights", {"architecture": cell(rng), "output": "tiles"})
    if draw < 0.68:
        network = {"format": "torchvision", "name": rng.choice(_NETWORKS), "num_classes": 10 + number}
        return Call("predict", "/predict-weights", {"architecture": network, "output": "tiles"})
    if draw < 0.83:
        return Call("rank", "/rank-architectures", {"architectures": [cell(rng) for _ in range(30)]})
    if draw < 0.91:
        return Call("embed", "/embed-architectures", {"architectures": [cell(rng) for _ in range(11)]})
    if draw < 0.97:
        return Call("compare", "/compare-architectures", {"architectures": [cell(rng) for _ in range(5)]})
    if draw < 0.99:
        observations = [{"architecture": cell(rng), "value": rng.random()} for _ in range(12)]
        body = {"kind": "predictor", "name": f"predictor-{number}", "config": {"observations": observations}}
        return Call("fit", "/training-jobs", body, is_exact=False)
    body = {"kind": "ghn", "name": f"ghn-{number}", "config": _TINY_GHN}
    return Call("train", "/training-jobs", body, is_exact=False)


@dataclass(slots=True)
class Caller:
    """Sends until accepted, follows until final. Thread-safe. answers: how often each status was answered;
    0 counts broken connections. unkind: answers of 503 without Retry-After.
    """

    service: RunningService
    answers: Counter[int] = field(default_factory=Counter)
    unkind: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accepted(self, call: Call) -> str:
        """The id of the job. Every try has the same key: none of them makes a second job."""
        key = uuid.uuid4().hex
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            answer = self._try("POST", call.path, json=call.body, headers={"Idempotency-Key": key})
            if answer is not None and answer.status_code in (200, 202):
                return str(answer.json()["id"])
            refused = answer is not None and answer.status_code not in (409, 429, 500, 502, 503)
            if refused or time.monotonic() > deadline:
                raise AssertionError(f"{call.path} was not accepted: {answer and answer.text}")
            time.sleep(0.3)

    def final(self, job_id: str) -> dict[str, Any] | None:
        """The job once it has ended; None when it is lost, or does not end."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            answer = self._try("GET", f"/jobs/{job_id}?wait=5")
            if answer is not None and answer.status_code in (404, 410):
                return None
            if answer is not None and answer.status_code == 200 and answer.json()["status"] in FINAL:
                return dict(answer.json())
            time.sleep(0.2)
        return None

    def _try(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        options["headers"] = {**options.get("headers", {}), "Prefer": "respond-async"}
        try:
            url = f"{self.service.url}{path}"
            answer = httpx.request(method, url, timeout=30, trust_env=False, **options)
        except httpx.TransportError:
            answer = None
        with self._lock:
            self.answers[answer.status_code if answer is not None else 0] += 1
            if answer is not None and answer.status_code == 503 and "retry-after" not in answer.headers:
                self.unkind += 1
        return answer


def essence(job: dict[str, Any]) -> dict[str, Any]:
    """What must be the same whenever and wherever the job ran."""
    result = dict(job.get("result") or {})
    for changing in ("timings_ms", "cached"):
        result.pop(changing, None)
    return {"status": job["status"], "result": result}
