"""The page of the papers lists each of their tables and figures, and its commands are commands."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from service.cli.app import app

PAGE = (Path(__file__).resolve().parents[1] / "docs/papers.md").read_text()
COMMANDS = sorted(set(re.findall(r"`((?:python -m benchmarks|weightcast) ?[^`]*)`", PAGE)))
ITEMS = {
    "GHN-1": [
        "Table 1",
        "Table 2",
        "Table 3",
        "Table 3, NAS-Bench-201",
        "Table 4",
        *(f"Figure {n}" for n in range(1, 11)),
    ],
    "GHN-2": [
        *(f"Table {n}" for n in range(1, 13)),
        "Table 12, trained networks",
        "Table 13",
        *(f"Figure {n}" for n in range(1, 14)),
    ],
    "HyperNAS": ["Ranking", "Search", "Weights of what was found", "Ablations"],
    "SMASH": [*(f"Figure {n}" for n in range(1, 4)), "Experiment 2", "Experiment 3", "Transfer"],
}


@pytest.mark.parametrize("paper", ITEMS)
def test_every_table_and_figure_is_listed(paper: str) -> None:
    section = PAGE.split(f"\n## {paper}\n")[1].split("\n## ")[0].split("\n### ")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")]
    assert rows[2:] == ITEMS[paper]


class _Parsed(Exception):
    """The arguments were accepted; nothing is run."""


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_parses(command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = shlex.split(command)
    if words[0] == "weightcast":
        monkeypatch.chdir(tmp_path)
        assert _weightcast(words[1:]) == 0
        return
    parse_args = argparse.ArgumentParser.parse_args

    def parse(*given: object) -> None:
        parse_args(*given)  # type: ignore[call-overload]
        raise _Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.setattr(sys, "argv", words[2:])
    with pytest.raises(_Parsed):
        importlib.import_module(words[2]).main()


def _weightcast(words: list[str]) -> int:
    """The exit status of a command whose work is left out. Makes the files that it names."""
    for word in words:
        if re.fullmatch(r"[\w/-]+\.\w+", word):
            Path(word).touch()
    command: Any = typer.main.get_command(app)
    waiting = [command]
    while waiting:
        here = waiting.pop()
        waiting += getattr(here, "commands", {}).values()
        if not hasattr(here, "commands"):
            here.callback = lambda **given: None
    with pytest.raises(SystemExit) as ended:
        command.main(words)
    return int(ended.value.code or 0)


def test_an_option_that_does_not_exist_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert _weightcast(["rank", "cells.jsonl", "--top-k", "3"]) == 0
    assert _weightcast(["rank", "cells.jsonl", "--no-such-option"]) == 2
