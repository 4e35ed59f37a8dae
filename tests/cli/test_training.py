"""weightcast train, evaluate, architectures. The trainer itself is tested in tests/training."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from service.contract.ghn import GHNTraining
from service.contract.smash import SmashOptions
from service.ghn.checkpoint import save_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from service.settings import get_settings
from tests.cli.conftest import SMALL_GRAPH, Run, problems, write_json
from training.ghn.job import run_of
from training.job import Result, TrainingJob
from training.loop.environment import ENVIRONMENT
from training.loop.run_folder import RunFolder
from training.smash.config import SmashRun
from training.smash.run import run as run_smash

TRAIN = {
    "kind": "train",
    "step": 5,
    "loss": 2.25,
    "accuracy": 13.5,
    "progress": 0.5,
    "seconds": 1.0,
    "eta_seconds": 1,
}
DATA = {
    "kind": "data",
    "name": "digits",
    "images": {"train": 5, "validation": 1, "test": 1},
    "classes": {"0": {"train": 3, "validation": 1, "test": 0}, "1": {"train": 2, "validation": 0, "test": 1}},
    "mirror": False,
}
VALIDATION = {
    "kind": "validation", "step": 10, "mean": 20.5, "max": 31.0, "networks": 8, "images": 200, "seconds": 2.0,
}  # fmt: skip


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Replaces the trainer by one that is done at once, or stopped after a quarter if the model is called
    "short". Returns the configurations that it was given, with the number of processes.
    """
    given: list[Any] = []

    def train(options: GHNTraining, job: TrainingJob) -> Result:
        config, processes = run_of(options, job)
        given.append((config, processes))
        for record in (DATA, TRAIN, VALIDATION):
            job.report(record)
        torch.manual_seed(len(given))
        ghn = GHN(GHNConfig(hidden=8, max_channels=16, max_kernel=3))
        card = {"name": config.name, "kind": "ghn", "dataset": "digits", "num_classes": 10}
        save_checkpoint(job.folder / "model", ghn, card)
        share = 0.25 if job.name == "short" else 1
        used = {"step": int(share * (config.steps or 4)), "seconds": 60 * share * (config.minutes or 0)}
        run_folder = RunFolder(job.folder)
        run_folder.write_config(asdict(config))
        run_folder.save(used["step"] + len(given), {"x": torch.zeros(1)}, used)
        scores = {key: VALIDATION[key] for key in ("mean", "max", "networks", "images")}
        return None if share < 1 else {"steps": config.steps, "scores": {"id-val": scores}}

    monkeypatch.setattr("training.ghn.job.train", train)
    for variable in ENVIRONMENT:  # what the command sets ends with the test
        monkeypatch.setenv(variable, os.environ.get(variable, "1"))
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path / "own"))
    get_settings.cache_clear()
    return given


def test_a_trained_model_can_be_used_at_once(run: Run, trainer: list[Any], tmp_path: Path) -> None:
    result = run("train", "--data", "digits", "--minutes", "2", "--name", "mine")
    assert result.exit_code == 0, result.output
    measured = "20.5% of 200 validation images correct on average, 31.0% at best"
    assert f"8 unseen networks with predicted weights: {measured}" in result.stdout
    assert result.stdout.startswith("digits: 2 classes, 7 images (5 train, 1 validation, 1 test)")
    config, processes = trainer[0]
    assert (config.name, config.data, config.minutes, config.steps) == ("mine", "digits", 2.0, None)
    assert processes >= 1
    assert "use it with `weightcast predict SOURCE --model mine`" in result.stdout
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    assert json.loads(run("predict", "net.json", "--model", "mine", "--json").stdout)[0]["model"] == "mine"


def test_resuming_replaces_the_model(run: Run, trainer: list[Any]) -> None:
    first = run("train", "--data", "digits", "--steps", "10", "--json")
    document = json.loads(first.stdout)
    assert document["name"] == "ghn2-digits" and document["complete"]
    assert document["inventory"]["images"]["train"] == 5
    again = run("train", "--data", "digits", "--steps", "20")
    assert again.exit_code == 2 and "--resume" in again.output
    digest = json.loads(run("models", "show", "ghn2-digits", "--json").stdout)["digest"]
    assert run("train", "--data", "digits", "--steps", "20", "--resume").exit_code == 0
    assert json.loads(run("models", "show", "ghn2-digits", "--json").stdout)["digest"] != digest
    assert run("train", "--data", "digits", "--steps", "20", "--resume", "--replace").exit_code == 2
    assert run("train", "--data", "digits", "--steps", "5", "--replace").exit_code == 0
    steps = [folder.name for folder in RunFolder(get_settings().home / "runs" / "ghn2-digits").checkpoints()]
    assert steps == ["checkpoint-8"], "the run before is gone"


def test_a_run_that_is_not_there_is_not_gone_on_with(run: Run, trainer: list[Any]) -> None:
    run("train", "--data", "digits", "--steps", "1", "--name", "one")
    for kind in ("ghn", "smash"):
        wrong = ("--steps", "2", "--name", "onne", "--resume", "--kind", kind)
        result = run("train", "--data", "digits", *wrong)
        assert result.exit_code == 2 and "onne" in result.output and "runs: one" in result.output
    assert len(trainer) == 1


def test_a_model_that_was_cut_short(run: Run, trainer: list[Any]) -> None:
    command = ("train", "--data", "digits", "--steps", "4", "--no-mirror", "--name", "short", "--seed", "3")
    command += ("--set", "warmup_steps=2", "--set", "ghn.rounds=1")
    result = run(*command)
    assert result.exit_code == 130
    assert "after 25% of the training" in result.stderr
    again = "weightcast train --data digits --steps 4 --no-mirror --seed 3 --name short"
    again += " --set warmup_steps=2 --set ghn.rounds=1 --resume"
    assert f"`{again}`" in result.stderr
    assert "use it with `weightcast predict SOURCE --model short`" in result.stdout
    assert json.loads(run(*command, "--resume", "--json").stdout)["complete"] is False


def test_what_the_images_are_told(run: Run, trainer: list[Any], tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "digits" / name).mkdir(parents=True)
        (tmp_path / "digits" / name / "a.png").write_bytes(b"x")
    run("train", "--data", "digits", "--steps", "1", "--mirror", "--skip-bad", "--name", "folder")
    run("train", "--data", "cifar10", "--steps", "1", "--name", "known")
    (folder, _), (known, _) = trainer
    assert (folder.data, folder.mirror, folder.skip_bad) == (str(tmp_path / "digits"), True, True)
    assert (known.data, known.mirror, known.skip_bad) == ("cifar10", None, False)


def test_processes_have_one_thread_each(run: Run, trainer: list[Any]) -> None:
    for count in ("3", "1"):
        name = ("--name", f"by-{count}", "--from", "ghn2-cifar10")
        assert run("train", "--data", "digits", "--steps", "1", "--processes", count, *name).exit_code == 0
    (several, processes), (alone, _) = trainer
    assert (processes, several.threads, alone.threads) == (3, 1, get_settings().threads)
    assert several.from_model == "ghn2-cifar10"


def test_a_transformer(run: Run, trainer: list[Any]) -> None:
    said = ("--gnn", "transformer", "--layers", "2", "--learning-rate", "0.002")
    result = run("train", "--data", "digits", "--steps", "1", *said, "--json")
    assert result.exit_code == 0 and json.loads(result.stdout)["name"] == "ghn3-digits"
    config = trainer[0][0]
    assert config.ghn == {"gnn": "transformer", "hidden": 64, "layers": 2}
    assert config.highest_rate == 0.002


def test_an_unknown_model_to_start_from(run: Run) -> None:
    result = run("train", "--data", "digits", "--steps", "1", "--name", "never", "--from", "no-such-model")
    assert result.exit_code == 3
    assert "no-such-model" in problems(result)[0]["detail"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--data", "digits"],
        ["--data", "digits", "--minutes", "1", "--steps", "1"],
        ["--data", "digits", "--steps", "0"],
        ["--data", "digits", "--steps", "1", "--processes", "0"],
        ["--data", "digits", "--steps", "1", "--name", "../x"],
        ["--data", "digits", "--steps", "1", "--layers", "2"],
        ["--data", "digits", "--steps", "1", "--gnn", "transformer", "--hidden", "36"],
        ["--data", "digits", "--steps", "1", "--kind", "smash", "--hidden", "32"],
        ["--minutes", "1"],
    ],
)
def test_wrong_usage(run: Run, trainer: list[Any], arguments: list[str]) -> None:
    assert run("train", *arguments).exit_code == 2
    assert trainer == []


def test_a_name_that_is_taken(run: Run, trainer: list[Any], tmp_path: Path) -> None:
    (tmp_path / "own" / "models" / "taken").mkdir(parents=True)
    assert run("train", "--data", "digits", "--steps", "1", "--name", "taken").exit_code == 2


def test_a_data_set_that_is_not_there(run: Run) -> None:
    result = run("train", "--data", "no-such-folder", "--steps", "1", "--name", "never")
    assert result.exit_code == 3
    assert problems(result)[0]["field"] == "/data"


def test_evaluate(run: Run) -> None:
    arguments = ("evaluate", "--model", "tiny", "--split", "train", "-n", "2", "--images", "64", "--json")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert set(report) == {
        "model", "split", "n", "mean", "stderr", "max", "random_init_mean", "data", "images", "bn", "dtype"
    }  # fmt: skip
    assert (report["data"], report["n"], report["images"], report["bn"]) == ("digits", 2, 64, "batch")
    assert 0 <= report["mean"] <= report["max"] <= 100
    assert 0 <= report["random_init_mean"] <= 100


def test_evaluate_refuses_what_does_not_fit(run: Run, tmp_path: Path) -> None:
    assert run("evaluate", "--model", "none", "--split", "train").exit_code == 3
    assert run("evaluate", "--model", "tiny", "--split", "none", "-n", "1").exit_code == 2
    assert run("evaluate", "--model", "tiny", "--split", "train", "--bn", "none").exit_code == 2


def test_architectures(run: Run, tmp_path: Path) -> None:
    first = run("architectures", "--split", "train", "-n", "3", "--seed", "5")
    assert first.exit_code == 0
    lines = [json.loads(line) for line in first.stdout.splitlines()]
    assert [line["format"] for line in lines] == ["darts"] * 3
    assert run("architectures", "--split", "train", "-n", "3", "--seed", "5", "-o", "a.jsonl").stdout == ""
    assert (tmp_path / "a.jsonl").read_text() == first.stdout
    whole = run("architectures", "--split", "train", "-n", "3", "--seed", "5", "-o", "b.jsonl", "--json")
    assert json.loads(whole.stdout) == {
        "split": "train",
        "seed": 5,
        "n": 3,
        "architectures": lines,
        "file": "b.jsonl",
    }
    assert (tmp_path / "b.jsonl").read_text() == first.stdout
    assert run("architectures", "--split", "huge").exit_code == 2


def test_an_architecture_of_a_split_can_be_predicted(run: Run, tmp_path: Path) -> None:
    line = run("architectures", "--split", "train", "-n", "1").stdout
    (tmp_path / "one.json").write_text(line)
    result = run("predict", "one.json", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[0]["complete"]


@pytest.fixture
def small_smash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """Makes the trainings of SMASH tiny. A signal comes after the steps that are added to the list."""
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path / "own"))
    get_settings.cache_clear()
    stops: list[int] = []

    def small(config: SmashRun, folder: Path, **options: Any) -> Result:
        def report(record: dict[str, Any]) -> None:
            options["on_progress"](record)
            if record.get("step") in stops:
                signal.raise_signal(signal.SIGINT)

        model = SmashOptions(unit=4, blocks=1, banks=2, layers=1, hidden=8, depth=1)
        smaller = replace(config, model=model, image_size=8, validate_networks=2, images=8, log_steps=1)
        return run_smash(smaller, folder, **{**options, "on_progress": report})

    monkeypatch.setattr("training.smash.run.run", small)
    return stops


def test_a_model_of_another_kind_that_was_cut_short(run: Run, small_smash: list[int]) -> None:
    smash = ("train", "--kind", "smash", "--data", "digits", "--steps", "2")
    small_smash.append(1)
    result = run(*smash)
    assert result.exit_code == 130, result.output
    assert "after 50% of the training; the model is as it was then" in result.stderr
    assert "smash-digits: in " in result.stdout and "random networks" not in result.stdout
    assert json.loads(run("models", "show", "smash-digits", "--json").stdout)["scores"] == {}
    resumed = run(*smash, "--resume", "--json")
    assert resumed.exit_code == 0 and json.loads(resumed.stdout)["complete"]
    assert json.loads(run("models", "show", "smash-digits", "--json").stdout)["scores"]["generated"]


def test_smash_is_trained_and_ranks(run: Run, tmp_path: Path, small_smash: list[int]) -> None:
    smash = ("train", "--kind", "smash", "--data", "digits", "--steps", "2")
    result = run(*smash)
    assert result.exit_code == 0, result.output
    assert "2 random networks with generated weights" in result.stdout
    assert json.loads(run("models", "show", "smash-digits", "--json").stdout)["kind"] == "smash"
    again = run(*smash)
    assert again.exit_code == 2 and "--resume" in again.output
    resumed = json.loads(run(*smash, "--resume", "--json").stdout)
    assert (resumed["name"], resumed["steps"]) == ("smash-digits", 2)
    assert run(*smash, "--name", "other", "--from", "ghn2-cifar10").exit_code == 2

    block = {"banks": 1, "bank_channels": 8, "layers": [{"read": [0], "write": [0]}]}
    network = {"format": "smash", "blocks": [block], "name": "mine"}
    (tmp_path / "nets.jsonl").write_text(json.dumps(network) + "\n" + json.dumps(SMALL_GRAPH))
    ranking = ("rank", "nets.jsonl", "--predictor", "smash:smash-digits")
    assert run(*ranking).exit_code == 2
    ranked = run(*ranking, "--data", "digits", "--images", 64, "--json")
    assert ranked.exit_code == 0, ranked.output
    answer = json.loads(ranked.stdout)
    assert [row["name"] for row in answer["ranking"]] == ["mine"]
    assert [row["index"] for row in answer["skipped"]] == [1]
    without = run("rank", "nets.jsonl", "--predictor", "smash-digits")
    assert without.exit_code == 3 and "smash:smash-digits" in problems(without)[0]["hint"]
