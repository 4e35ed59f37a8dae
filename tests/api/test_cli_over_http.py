"""Commands with --url: the same answers as without, from a service over real HTTP."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvicorn
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from service.cli.app import app as commands
from tests.predictors.rankers.test_ranking import GRAPH, cell, observations, some_cells

from .test_rank import BROKEN, api_settings, ranker

__all__ = ["api_settings", "ranker"]


@pytest.fixture
def url(app: FastAPI, ranker: list[str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    with structlog.testing.capture_logs():  # the command's output must be the command's alone
        yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(commands, [str(argument) for argument in arguments])


def test_rank_and_search(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.dumps(GRAPH), "{broken", json.dumps({**cell(*["nor_conv_1x1"] * 6), "name": "small"})]
    lines += ["[]", json.dumps(BROKEN), json.dumps(cell(*["nor_conv_3x3"] * 6))]
    path = tmp_path / "nets.jsonl"
    path.write_text("\n".join(lines))
    asked = ["rank", path, "--predictor", "structure", "--json"]
    local, remote = run(*asked), run(*asked, "--url", url)
    assert (local.exit_code, remote.exit_code) == (0, 0), remote.output
    here, there = json.loads(local.stdout), json.loads(remote.stdout)
    assert [row["index"] for row in here["skipped"]] == [1, 3, 4]
    assert [(row["index"], row["name"], row["score"]) for row in here["ranking"]] == [
        (row["index"], row["name"], row["score"]) for row in there["ranking"]
    ]
    assert here.keys() == there.keys()
    assert [row["index"] for row in there["skipped"]] == [1, 3, 4]
    assert [row["reason"] for row in there["skipped"]][::2] == [row["reason"] for row in here["skipped"]][::2]

    asked = ["search", "--space", "nasbench201", "--evaluations", 30, "--max-parameters", 900_000]
    asked += ["--predictor", "structure", "--json"]
    here, there = json.loads(run(*asked).stdout), json.loads(run(*asked, "--url", url).stdout)
    assert there["best"] == here["best"] and len(there["best"]) == 10
    shown = run(*asked[:-1])
    assert shown.exit_code == 0 and "30 architectures of nasbench201" in shown.stdout
    assert run("search", "--space", "nasbench201").exit_code == 2
    refused = run(*asked, "--url", url, "--predictor", "none-such")
    assert refused.exit_code == 3 and "none-such" in refused.stderr


def test_fit(url: str, tmp_path: Path) -> None:
    path = tmp_path / "seen.jsonl"
    path.write_text("\n".join(json.dumps(item) for item in observations(some_cells(12))))
    asked = ["predictor", "fit", path, "--property", "speed", "--json"]
    remote = run(*asked, "--name", "there", "--url", url)
    assert remote.exit_code == 0, remote.output
    # The service of this test runs in this process, and keeps its models where the command does.
    local = run(*asked, "--name", "here")
    here, there = json.loads(local.stdout), json.loads(remote.stdout)
    assert here.keys() == there.keys() and there["name"] == "there"
    assert there["kendall_tau_cv"] == pytest.approx(here["kendall_tau_cv"], abs=1e-3)
    assert (there["method"], there["certainty"]) == (here["method"], here["certainty"])
    again = run(*asked, "--name", "there", "--url", url)
    assert again.exit_code != 0 and "there is a model 'there' already" in again.stderr.lower()
    assert run(*asked, "--name", "here").exit_code == 2
    assert run(*asked, "--name", "there", "--url", url, "--replace").exit_code == 0
    assert run(*asked, "--name", "here", "--replace").exit_code == 0
    assert run("models", "describe", "there", "for speed", "--url", url).exit_code == 0
    assert "for speed" in run("models", "show", "there").stdout
    assert run("models", "remove", "there", "--url", url).exit_code == 0
    assert run("models", "show", "there").exit_code == 3
    assert run("models", "remove", "here").exit_code == 0
    path.write_text('{"architecture": {}}')
    assert run(*asked, "--name", "other", "--url", url).exit_code == 3


def test_embed(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, document in (("a", GRAPH), ("bad", BROKEN), ("c", cell(*["nor_conv_1x1"] * 6))):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    monkeypatch.chdir(tmp_path)
    asked = ["embed", "a.json", "bad.json", "c.json", "missing.json", "--model", "tiny", "--json"]
    local, remote = run(*asked), run(*asked, "--url", url)
    here, there = json.loads(local.stdout), json.loads(remote.stdout)
    assert [item["source"] for item in there["embeddings"]] == ["a.json", "c.json"]
    for one, other in zip(here["embeddings"], there["embeddings"], strict=True):
        assert one["source"] == other["source"]
        assert one["embedding"] == pytest.approx(other["embedding"], abs=1e-5)
    told = [json.loads(line)["source"] for line in remote.stderr.splitlines()]
    assert sorted(told) == ["bad.json", "missing.json"]
    assert local.exit_code == remote.exit_code != 0
    compared = ["compare", *asked[1:]]
    assert json.loads(run(*compared, "--url", url).stdout) == json.loads(run(*compared).stdout)
