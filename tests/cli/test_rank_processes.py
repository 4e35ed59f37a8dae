"""weightcast rank of a long list, whose lines other processes look at."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from service.cli import rank_processes
from service.cli.rank_processes import looks_of_processes, processes_for
from service.cli.records import Line, Record
from service.errors import CommandFailed
from tests.cli.conftest import CELL, SMALL_GRAPH, Run

NOTHING = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def write(path: Path, copies: int) -> Path:
    """Graphs of different widths, cells, and lines with a fault."""
    lines = []
    for number in range(copies):
        text = json.dumps({**SMALL_GRAPH, "name": f"net{number}"})
        cells = [json.dumps({"format": "nasbench201", "cell": cell}) for cell in (CELL, NOTHING)]
        lines += [text, "{broken", *cells, '{"format": "graph"}']
    path.write_text("\n".join(lines))
    return path


def test_the_answer_is_that_of_one_process(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "nets.jsonl", 30)
    asked = ("rank", "nets.jsonl", "--json", "--predictor", "ranker", "--unconnected", "last")
    alone = run(*asked)
    monkeypatch.setattr(rank_processes, "_LEAST_CHARACTERS", 0)
    monkeypatch.setattr(rank_processes, "_BATCH_CHARACTERS", 3_000)
    monkeypatch.setattr("service.kit.cores.usable_cores", lambda: 2)
    together = run(*asked)
    assert together.stdout == alone.stdout and len(json.loads(alone.stdout)["skipped"]) == 60
    assert [row["score"] for row in json.loads(alone.stdout)["ranking"]][-30:] == [None] * 30


def test_a_short_list_stays_in_this_process() -> None:
    assert processes_for([Line(1, "{}"), Record(2, {"format": "graph", "name": "x" * 10**7})]) == 1


def test_a_process_that_dies_is_an_error_with_a_way_out() -> None:
    with pytest.raises(CommandFailed) as caught:
        list(looks_of_processes([Line(1, "{}")], partial(os._exit, 9), "skip", 1))  # type: ignore[arg-type]
    assert "in parts" in caught.value.extra["hint"]


def test_ctrl_c_ends_all_processes_without_a_word(tmp_path: Path) -> None:
    """It comes while they start."""
    write(tmp_path / "nets.jsonl", 2_000)
    code = (
        "from service.cli import rank_processes\n"
        "import service.kit.cores\n"
        "service.kit.cores.usable_cores = lambda: 2\n"
        "rank_processes._LEAST_CHARACTERS = 0\n"
        "import sys; sys.argv = ['weightcast', 'rank', sys.argv[1], '--predictor', 'structure']\n"
        "from service.cli.app import main\n"
        "import signal\n"
        "if __name__ == '__main__':\n"
        # It is ignored in what a shell runs in the background.
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    main()"
    )
    (tmp_path / "ranking.py").write_text(code)
    command = [sys.executable, str(tmp_path / "ranking.py"), str(tmp_path / "nets.jsonl")]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (children := psutil.Process(process.pid).children()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in said
    _, alive = psutil.wait_procs(children, 20)
    assert not alive
