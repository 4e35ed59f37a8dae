"""What went wrong is said once: as a sentence on a terminal, as a document with --json and off a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import failures
from service.cli.app import app


@pytest.fixture
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "is_terminal", lambda: True)


def test_once_and_in_words(on_a_terminal: None, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["predict", str(tmp_path / "nope.onnx")])
    assert result.exit_code == 3
    assert "nope.onnx" in result.stderr
    assert "{" not in result.stderr and result.stderr.count("nope.onnx") <= 2


def test_as_a_document_with_json(on_a_terminal: None, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["predict", str(tmp_path / "nope.onnx"), "--json"])
    assert json.loads(result.stderr)["type"].endswith("/invalid-input")


def test_as_a_document_off_a_terminal(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["predict", str(tmp_path / "nope.onnx")])
    assert json.loads(result.stderr)["type"].endswith("/invalid-input")


def test_a_sentence_has_a_stop() -> None:
    assert failures.as_sentence("try again in a few seconds") == "try again in a few seconds."
    assert failures.as_sentence("Is it running?") == "Is it running?"


@pytest.mark.parametrize(
    ("line", "wording"),
    [
        ("predict net.onnx --dtype float8", "'--dtype': 'float8' is not one of 'float32'"),
        ("finetune net.onnx --data digits --epochs -1", "'--epochs': It must be at least 0."),
        ("rank nets.jsonl --top-k many", "'--top-k': It must be a whole number."),
        ("train --data digits --minutes soon", "'--minutes': It must be a number."),
    ],
)
def test_the_value_of_an_option_is_refused_in_our_words(line: str, wording: str) -> None:
    result = CliRunner().invoke(app, line.split())
    assert result.exit_code == 2
    assert f"Invalid value for {wording}" in " ".join(result.stderr.split())
