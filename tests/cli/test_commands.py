"""The other commands, and how the command as a whole behaves."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.cli import failures
from service.cli.doctor_checks import Mark, checks
from service.cli.failures import report
from service.errors import Unavailable
from service.home_lock import path_of, running_address, sign
from service.settings import get_settings
from service.store.connection import connect
from service.store.workers import WorkerInfo, WorkerRegistry
from tests.cli.conftest import CELL, SMALL_GRAPH, Run, problems, write_json


def test_embed(run: Run, tmp_path: Path) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    result = run("embed", "net.json", f"nasbench201:{CELL}", "-o", "e.npz", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [row["source"] for row in document["embeddings"]] == ["net.json", f"nasbench201:{CELL}"]
    with np.load(tmp_path / "e.npz") as archive:
        assert archive["embeddings"].shape == (2, 8)
        np.testing.assert_array_equal(archive["embeddings"][0], document["embeddings"][0]["embedding"])


def test_embed_skips_what_it_cannot_read(run: Run, tmp_path: Path) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    result = run("embed", "missing.json", "net.json")
    assert result.exit_code == 3
    assert problems(result)[0]["source"] == "missing.json"
    assert (tmp_path / "embeddings.npz").exists()


def test_compare(run: Run, tmp_path: Path) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    sources = ("net.json", f"nasbench201:{CELL}", "missing.json", "net.json")
    result = run("compare", *sources, "-o", "far.csv")
    assert result.exit_code == 3 and problems(result)[0]["source"] == "missing.json"
    header, first, second, third, about = result.stdout.splitlines()
    assert header.split() == ["1", "2", "3"] and about == "Distances are those between embeddings by tiny."
    assert first.split()[1::2] == ["0", "0"] and first.split()[2] == second.split()[1] != "0"
    assert third.endswith("net.json")
    with (tmp_path / "far.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["", "net.json", f"nasbench201:{CELL}", "net.json"]
    document = json.loads(run("compare", *sources, "--by", "nodes", "--json").stdout)
    assert document["model"] is None and document["sources"] == rows[0][1:]
    assert document["distances"][0][1] == document["distances"][1][0] > 0 == document["distances"][0][2]


def test_compare_shows_the_nearest_of_many(run: Run, tmp_path: Path) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    line = json.dumps(SMALL_GRAPH)
    (tmp_path / "nets.jsonl").write_text("\n".join([line] * 9 + [f"nasbench201:{CELL}"]))
    lines = run("compare", "nets.jsonl").stdout.splitlines()
    assert lines[0].split() == ["distance", "network", "nearest", "network"] and len(lines) == 12
    assert lines[1].split() == ["0", "nets.jsonl:1", "nets.jsonl:2"]
    assert lines[10].split()[1:] == ["nets.jsonl:10", "nets.jsonl:1"]


def test_models(run: Run) -> None:
    listed = run("models", "list")
    assert any(
        line.split()[:4] == ["tiny", "predicts", "weights", "digits"] for line in listed.stdout.splitlines()
    )
    assert [card["name"] for card in json.loads(run("models", "list", "--json").stdout)].count("tiny") == 1
    shown = json.loads(run("models", "show", "tiny", "--json").stdout)
    assert shown["scores"] == {"id-val": {"mean": 12.0}}
    assert "path" not in shown
    assert "id-val" in run("models", "show", "tiny").stdout
    assert run("models", "show", "none").exit_code == 3


def test_models_import_refuses_what_is_no_checkpoint(run: Run, tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pt")
    refused = run("models", "import", "other.pt", "--name", "mine")
    assert refused.exit_code == 3
    assert "not a reference checkpoint" in problems(refused)[0]["detail"]
    assert run("models", "import", "missing.pt", "--name", "mine").exit_code == 2
    assert run("models", "import", "other.pt", "--name", "../mine").exit_code == 2
    assert run("models", "import", "other.pt", "--name", "tiny").exit_code == 2


def test_doctor(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_API_KEYS", "secret")
    monkeypatch.setenv("WEIGHTCAST_REDIS_URL", "redis://user:pass@127.0.0.1:1/0")
    monkeypatch.setenv("WEIGHTCAST_REDIS_ULR", "")
    get_settings.cache_clear()
    result = run("doctor", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["prediction"]["model"] == "tiny"
    assert document["models"]["tiny"]["kind"] == "ghn"
    assert document["unknown_variables"] == ["WEIGHTCAST_REDIS_ULR"]
    assert "error" in document["redis"]
    assert "secret" not in result.output and "pass@" not in result.output
    assert (
        "settings: WEIGHTCAST_REDIS_ULR is not a setting Did you mean WEIGHTCAST_REDIS_URL?"
        in document["advice"]
    )
    text = run("doctor").stdout.splitlines()
    assert (
        text[0] == document["verdict"] == "Weightcast can predict here; 1 failure and 1 warning, see below."
    )
    assert any(line.startswith("FAIL  redis") and "127.0.0.1:1/0" in line for line in text)
    assert any(line.startswith("OK    prediction") for line in text)
    assert "WEIGHTCAST_API_KEYS=********" in text[-1] and "WEIGHTCAST_PORT" not in text[-1]


def test_doctor_asks_a_service(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.client.client.time.sleep", lambda seconds: None)
    away = run("doctor", "--url", "http://127.0.0.1:1")
    assert away.exit_code == 1 and "FAIL  service" in away.stdout and "127.0.0.1:1" in away.stdout
    # Without --url it finds the service of this home by its lock.
    assert running_address(tmp_path) is None
    with path_of(tmp_path).open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert running_address(tmp_path) is None
        sign(lock, "http://127.0.0.1:8401")
        assert running_address(tmp_path) == "http://127.0.0.1:8401"
    assert running_address(tmp_path) is None


def test_doctor_fails_where_nothing_can_be_predicted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_DEFAULT_MODEL", "none-such")
    get_settings.cache_clear()
    result = run("doctor", "--json")
    assert result.exit_code == 1
    assert "none-such" in json.loads(result.stdout)["prediction"]["error"]


def test_a_missing_part_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    error = ModuleNotFoundError("No module named 'torch'", name="torch")
    assert report(error) == 1
    problem = json.loads(capsys.readouterr().err)
    assert problem["hint"] == "Install it from a clone of the repository: pip install '.[models]'."
    assert report(ModuleNotFoundError("No module named 'x'", name="x")) is None


def test_a_failure_is_not_a_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(Unavailable("The job store does not answer.")) == failures.FAILED
    assert json.loads(capsys.readouterr().err)["status"] == 503


def test_a_service_that_is_not_there(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.client.client.time.sleep", lambda seconds: None)
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    for arguments in (["predict", "net.json"], ["models", "list"], ["jobs", "list"], ["jobs", "cancel", "x"]):
        result = run(*arguments, "--url", "http://127.0.0.1:1")
        assert result.exit_code == 1, result.output
        assert "http://127.0.0.1:1" in problems(result)[0]["detail"]
        assert "weightcast serve" in problems(result)[0]["hint"]


def test_doctor_looks_into_redis(run: Run, redis_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_REDIS_URL", redis_server)
    get_settings.cache_clear()
    report = json.loads(run("doctor", "--json").stdout)
    redis = report["redis"]
    assert redis["waiting"]["predict"] == 0
    assert redis["workers"] == {} and redis["policy"] == "noeviction"
    assert [line for line in report["advice"] if "weightcast worker --queues predict" in line]


def test_doctor_tells_where_workers_predict(
    run: Run, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIGHTCAST_REDIS_URL", redis_server)
    get_settings.cache_clear()
    registry = WorkerRegistry(connect(get_settings()))
    registry.announce(WorkerInfo(queue="predict", name="host:1", facts={"device": "cuda:0 (NVIDIA H100)"}))
    registry.announce(WorkerInfo(queue="training", name="host:2"))
    redis = json.loads(run("doctor", "--json").stdout)["redis"]
    assert redis["devices"] == {"host:1": "cuda:0 (NVIDIA H100)"}


def test_doctor_says_when_the_gpu_is_missing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert json.loads(run("doctor", "--json").stdout)["device"]["predictions"] == "cpu"
    monkeypatch.setenv("WEIGHTCAST_DEVICE", "cuda:1")
    get_settings.cache_clear()
    result = run("doctor", "--json")
    assert result.exit_code == 1
    assert any("no device 'cuda:1'" in sentence for sentence in json.loads(result.stdout)["advice"])


def test_a_wrong_option_is_named_without_its_value(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_DEVICE", "secret")
    get_settings.cache_clear()
    result = run("doctor")
    assert result.exit_code == 1 and "secret" not in result.output
    assert problems(result)[0]["detail"].startswith("WEIGHTCAST_DEVICE: expected")


def test_a_home_that_is_a_file_cannot_be_written_to(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for home in ("file", "file/sub"):
        monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path / home))
        get_settings.cache_clear()
        result = run("doctor", "--json")
        assert not json.loads(result.stdout)["disk"]["writable"] and result.exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_options_that_follow_from_a_wrong_one_are_not_named(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIGHTCAST_HOME", "~nobody-of-this-name")
    get_settings.cache_clear()
    (problem,) = problems(run("models", "list"))
    assert problem["detail"] == "WEIGHTCAST_HOME: there is no home folder ~nobody-of-this-name."


def bad(report: dict[str, Any]) -> list[str]:
    return [f"{check.text} {check.advice}" for check in checks(report) if check.mark is not Mark.OK]


def test_doctor_says_what_to_do() -> None:
    well: dict[str, Any] = {
        "versions": dict.fromkeys(("weightcast", "python", "torch", "numpy", "onnx"), "1"),
        "service": {},
        "unknown_variables": [],
        "settings": {"WEIGHTCAST_REDIS_URL": ""},
        "device": {"predictions": "cpu", "cpus": 2, "threads": 2, "gpus": [], "compiled_gnn": True},
        "disk": {"home": "/h", "writable": True, "free_bytes": 10**12, "artifact_bytes": 0},
        "redis": {
            "version": "7",
            "used_bytes": 1,
            "policy": "noeviction",
            "waiting": {"predict": 0, "training": 0},
            "workers": {"predict": 1},
        },
        "models": {},
        "prediction": {"model": "m", "num_parameters": 1, "seconds": 0.1},
    }
    assert bad(well) == []
    hiding = {**well, "models": {"ghn2-cifar10": {"hides_shipped": True}, "mine": {"hides_shipped": False}}}
    (warning,) = bad(hiding)
    assert "your own ghn2-cifar10 is used" in warning and "weightcast models remove ghn2-cifar10" in warning
    ill = {
        **well,
        "unknown_variables": ["WEIGHTCAST_REDIS_ULR"],
        "disk": {"home": "/h", "writable": False, "free_bytes": 1, "artifact_bytes": 0},
        "service": {
            "url": "http://s",
            "ready": False,
            "checks": {"workers": {"ok": False}},
            "key_error": "no",
        },
        "redis": {
            "version": "7",
            "used_bytes": 1,
            "policy": "allkeys-lru",
            "waiting": {"predict": 0, "training": 2},
            "workers": {"predict": 1},
        },
        "prediction": {"error": "there is no model 'x'"},
    }
    found = bad(ill)
    for words in (
        "mean WEIGHTCAST_REDIS_URL?",
        "cannot be written",
        "noeviction",
        "--queues training",
        "not ready: workers",
        "--api-key",
        "there is no model 'x'.",
    ):
        assert any(words in sentence for sentence in found), words
    assert len(found) == 7


def test_version(run: Run) -> None:
    assert run("--version").stdout.startswith("weightcast")


def test_an_interruption_is_quiet(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("service.cli.reading.read_network", interrupted)
    result = run("predict", "net.json")
    assert (result.exit_code, result.output) == (130, "")


def test_ctrl_c_ends_a_process_with_130(model_home: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slow.json"
    os.mkfifo(slow)
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "predict", str(slow)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "WEIGHTCAST_HOME": str(model_home)},
        text=True,
        # Where the tests run in the background of a shell, SIGINT is ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        with open(slow, "wb"):  # returns when the command has opened its end, from which nothing ever comes
            process.send_signal(signal.SIGINT)
            out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "") and "Traceback" not in errors


def command(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "WEIGHTCAST_HOME": str(home), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )


def test_the_real_process_is_quick_to_help_and_refuses_cleanly(model_home: Path) -> None:
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        helped = command("--help", home=model_home)
        durations.append(time.perf_counter() - start)
    assert helped.returncode == 0
    assert "predict" in helped.stdout
    assert min(durations) < 2.0  # 0.15 s on an idle machine; the next test says why

    refused = command("predict", "missing.onnx", home=model_home)
    assert refused.returncode == 3
    assert json.loads(refused.stderr)["status"] == 400
    assert "Traceback" not in refused.stderr


def test_help_loads_nothing_heavy(model_home: Path) -> None:
    heavy = ("torch", "httpx", "onnx", "numpy", "pydantic")
    code = f"import sys, service.cli; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "[]"
