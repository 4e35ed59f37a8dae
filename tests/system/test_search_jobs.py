"""Searches and predictors through the API of a whole service."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from benchmarks.served import RunningService, command_of, soon
from service.contract.kinds import KINDS
from tests.predictors.rankers.test_ranking import observations, some_cells

pytestmark = [pytest.mark.system, pytest.mark.timeout(400), pytest.mark.xdist_group("service")]


def ask(
    service: RunningService, kind: str, config: dict[str, Any], name: str | None = None
) -> dict[str, Any]:
    body = {"kind": kind, "config": config} | ({} if name is None else {"name": name})
    answer = service.post("/training-jobs", body)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def searchers(service: RunningService) -> list[int]:
    return [p.pid for p in service.children() if KINDS["search"].run in command_of(p)]


def test_a_predictor_is_fitted_and_guides_a_search(service: RunningService) -> None:
    job = ask(service, "predictor", {"observations": observations(some_cells(30))}, "own")
    fitted = service.final(job["id"], 120)
    assert fitted["status"] == "succeeded", fitted
    assert fitted["result"]["n"] == 30 and "30 observations" in fitted["result"]["certainty"]

    config = {"space": "nasbench201", "predictor": "own", "evaluations": 60, "trade_off": "parameters"}
    job = ask(service, "search", config)
    done = service.final(job["id"], 120)
    assert done["status"] == "succeeded", done
    assert done["result"]["evaluations"] == 60 and done["result"]["front"]
    assert service.get("/jobs").json()["jobs"][0].keys().isdisjoint({"result"})
    text = service.get(f"/jobs/{job['id']}/events").text
    told = [json.loads(line[6:]) for line in text.splitlines() if line.startswith('data: {"step"')]
    assert told and told[-1]["step"] == 60 and told[-1]["best"] == done["result"]["best"][0]["score"]
    body = {"architectures": [done["result"]["best"][0]["architecture"]], "predictor": "own"}
    ranking = service.post("/rank-architectures", body).json()["result"]["ranking"]
    assert ranking[0]["score"] == done["result"]["best"][0]["score"]


def test_a_search_is_cancelled_within_ten_seconds(service: RunningService) -> None:
    job = ask(service, "search", {"space": "nasbench101", "predictor": "structure", "seconds": 3600})
    metrics = service.home / "runs" / job["id"] / "history.jsonl"
    soon(lambda: metrics.exists() and metrics.stat().st_size > 0, 120)
    asked = time.monotonic()
    service.delete(f"/jobs/{job['id']}")
    assert service.final(job["id"], 15)["status"] == "cancelled"
    assert time.monotonic() - asked < 10 and searchers(service) == []
