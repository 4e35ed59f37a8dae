"""docs/cli.md is what `--help` says, and says all of it; shells complete it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from service.cli import options, splits
from service.cli.app import app
from service.cli.reference import reference, renewed
from tests.cli.conftest import Run
from training.data.deepnets import SPLIT_NAMES

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
# Commands whose output is the process they run.
WITHOUT_JSON = {"serve", "api", "worker"}


def commands(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, one in inner.items():
        yield from commands(one, *path, name)


COMMANDS = [
    pytest.param(path, command, id=" ".join(path)) for path, command in commands(typer.main.get_command(app))
]


def test_the_page_is_up_to_date() -> None:
    assert renewed(PAGE) == PAGE, "run `make docs`, or: python -m service.cli.reference docs/cli.md"
    assert renewed("# Intro\n") == f"# Intro\n\n{reference()}\n"


@pytest.mark.parametrize(("path", "command"), COMMANDS)
def test_every_option_is_documented_and_explained(path: tuple[str, ...], command: Any) -> None:
    section = PAGE.partition(f"\n### weightcast {' '.join(path)}\n")[2].partition("\n### ")[0]
    assert section and command.help
    for parameter in command.params:
        for name in [*parameter.opts, *parameter.secondary_opts]:
            if parameter.param_type_name == "option":
                assert f"{name}" in section, name
        assert parameter.help, f"{path} {parameter.name} is not explained"
    introduced = PAGE.partition("\n## Reference\n")[0]
    assert path[0] in introduced, "the page names each command before its reference"


@pytest.mark.parametrize(("path", "command"), COMMANDS)
def test_every_command_that_prints_data_prints_json(path: tuple[str, ...], command: Any) -> None:
    options = {name for parameter in command.params for name in parameter.opts}
    assert ("--json" in options) != (path[0] in WITHOUT_JSON)


def completed(words: str, home: Path) -> list[str]:
    """What bash is offered for the last of these words."""
    environment = {
        **os.environ,
        "WEIGHTCAST_HOME": str(home),
        "_WEIGHTCAST_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    command = [sys.executable, "-m", "service.cli"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


def test_shells_complete_commands_options_and_models(model_home: Path) -> None:
    assert set(completed("weightcast mod", model_home)) == {"models"}
    assert set(completed("weightcast predict --dt", model_home)) == {"--dtype"}
    assert set(completed("weightcast predict --model ti", model_home)) == {"tiny"}
    # Each option offers what it takes: no predictor predicts weights, and no GHN ranks.
    assert "ranker" not in completed("weightcast predict --model ", model_home)
    offered = completed("weightcast rank nets.jsonl --predictor ", model_home)
    assert {"ranker", "structure"} <= set(offered) and "tiny" not in offered
    assert set(completed("weightcast health tr", model_home)) == {"training"}
    assert set(completed("weightcast evaluate --split id-t", model_home)) == {"id-test", "id-test-wide"}
    assert {"darts", "deep"} <= set(completed("weightcast architectures --split d", model_home))


def test_shells_complete_data_sets_folders_and_zip_files(
    model_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    for name in ("parts.zip", "plans.txt", ".hidden.zip"):
        (tmp_path / name).touch()
    built_in = ["digits", "cifar10", "cifar100"]
    assert completed("weightcast train --data ", model_home) == [*built_in, "parts.zip", "photos/"]
    assert completed("weightcast train --data di", model_home) == ["digits"]
    assert completed("weightcast finetune net.onnx --data photos/", model_home) == ["photos/cats/"]
    assert completed("weightcast train --data nowhere/", model_home) == []


def test_shells_complete_ids_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Service:
        def __init__(self, url: str, **options: Any) -> None:
            assert url == "http://10.0.0.1:8000" and options["timeout"] <= 2

        def __enter__(self) -> Service:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def jobs(self, **_: Any) -> Iterator[SimpleNamespace]:
            for name in ("01a2", "01b3"):
                yield SimpleNamespace(id=name, kind="rank", status="running")

    context = SimpleNamespace(params={"url": "http://10.0.0.1:8000"})
    with monkeypatch.context() as patch:
        patch.setattr("service.client.Client", Service)
        assert options.job_ids(context, "01a") == [("01a2", "rank, running")]  # type: ignore[arg-type]
    context = SimpleNamespace(params={"url": "http://127.0.0.1:9"})  # nobody listens there
    assert options.job_ids(context, "") == []  # type: ignore[arg-type]


def test_help_names_the_splits_there_are() -> None:
    assert set(splits.SPLITS) == set(SPLIT_NAMES)


def test_completion_installs_itself(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    result = run("--install-completion")
    assert result.exit_code == 0, result.output
    (script,) = (tmp_path / ".bash_completions").iterdir()
    assert (
        "_COMPLETE=complete_bash" in script.read_text() and str(script) in (tmp_path / ".bashrc").read_text()
    )
