"""Lists of architectures in parts, and one answer from several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from service.client import _many
from tests.client.conftest import Either, FakeTime
from tests.client.scripted import Script

Make = Callable[..., Either]

CELLS: list[dict[str, Any]] = [
    {"format": "nasbench201", "cell": letter, "name": letter.upper()} for letter in "abcde"
]


def ranking(*rows: tuple[int, float], skipped: int | None = None) -> httpx.Response:
    return httpx.Response(
        200,
        json={
            "property": "latency",
            "predictor": "p",
            "note": "said",
            "ranking": [
                {"rank": rank, "index": index, "score": score, "value": 2 * score}
                for rank, (index, score) in enumerate(rows, start=1)
            ],
            "skipped": [] if skipped is None else [{"index": skipped, "reason": "no", "problem": {}}],
        },
    )


def test_a_long_list_is_ranked_as_one(
    either: Make, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_many, "MOST_AT_ONCE", 2)
    script = Script(ranking((1, 5.0), (0, 3.0)), ranking((1, 4.0), skipped=0), ranking((0, 5.0)))
    # What cannot be read here is not sent, and keeps its place.
    asked = [CELLS[0], b"no network", *CELLS[1:]]
    found = either(script.transport).rank_architectures(asked, predictor="p", top_k=3)
    assert [len(script.sent_lines(part)) for part in range(3)] == [2, 2, 1]
    assert [(row.rank, row.index, row.score) for row in found.ranking] == [
        (1, 2, 5.0),
        (2, 5, 5.0),
        (3, 4, 4.0),
    ]
    assert [item.index for item in found.skipped] == [1, 3]
    assert found.property == "latency"
    assert found.model_dump()["note"] == "said" and found.ranking[0].model_dump()["value"] == 10.0


def test_low_first(either: Make, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_many, "MOST_BYTES_AT_ONCE", 130)
    script = Script(ranking((0, 1.0), (1, 4.0)), ranking((0, 2.0), (1, 3.0)), ranking((0, 9.0)))
    found = either(script.transport).rank_architectures(CELLS, order="ascending")
    assert [row.index for row in found.ranking] == [0, 2, 3, 1, 4]


def test_embeddings_come_together(either: Make, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_many, "MOST_AT_ONCE", 3)
    answers: list[dict[str, Any]] = [
        {"model": "m", "embeddings": [[0.0], [2.0]], "indices": [0, 2], "skipped": [{"index": 1}]},
        {"model": "m", "embeddings": [[3.0], [4.0]], "indices": [0, 1]},
    ]
    for answer in answers:
        answer["timings_ms"] = {"embed": 1.5, "total": 2.25}
    script = Script(*(httpx.Response(200, json=answer) for answer in answers))
    found = either(script.transport).embed_architectures(CELLS)
    assert (found.indices, found.embeddings) == ([0, 2, 3, 4], [[0.0], [2.0], [3.0], [4.0]])
    assert [item.index for item in found.skipped] == [1]
    assert found.timings_ms == {"embed": 3.0, "total": 4.5}
    assert "model" not in script.requests[0].url.params


def test_a_search_and_a_fit_are_training_jobs(either: Make, fake_time: FakeTime) -> None:
    best = {"rank": 1, "score": 8.0, "costs": {}, "architecture": CELLS[0]}
    result = {"space": "darts", "predictor": "structure", "evaluations": 9, "ended": "evaluations"}
    done = {"id": "j", "kind": "training", "status": "succeeded", "result": {**result, "best": [best]}}
    script = Script(httpx.Response(200, json=done))
    found = either(script.transport).search("darts", evaluations=9, max_parameters=10)
    assert found.best[0].architecture == CELLS[0]
    sent = script.sent_json()
    assert sent["kind"] == "search" and "name" not in sent
    assert sent["config"]["max_parameters"] == 10 and "max_latency" not in sent["config"]

    result = {"model": "own", "property": "x", "n": 7, "kendall_tau_cv": 0.5, "interval": [0.1, 0.8]}
    script = Script(httpx.Response(200, json={**done, "result": result}))
    fitted = either(script.transport).fit_predictor([(CELLS[0], 1)] * 7, name="own", property="x")
    assert fitted.interval == [0.1, 0.8]
    assert script.sent_json()["config"]["observations"][0] == {"architecture": CELLS[0], "value": 1.0}
