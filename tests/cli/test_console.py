"""Progress on a terminal: times in words, and lines of the result above the bar."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from service.cli.console import duration, fitted, times_text

CODE = """
from service.cli.console import progress_bar, say
import time
with progress_bar("fine-tuning") as progress:
    progress(1, 4, "epoch 1 of 2")
    time.sleep(0.3)
    say("epoch 0: loss 2.856")
    progress(2, 4, "epoch 2 of 2")
    time.sleep(0.3)
say("done")
"""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599, "59 min 59 s"), (7800, "2 h 10 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_times_say_which_is_which() -> None:
    assert times_text(32, 0.76) == "32 s elapsed, about 10 s left"
    # Nothing is known of the rest before anything is done, nor left at the end.
    assert times_text(5, 0.0) == "5 s elapsed"
    assert times_text(5, 1.0) == "5 s elapsed"


def on_a_terminal(code: str) -> str:
    """What the code writes to a terminal of 120 columns."""
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=child, stderr=child, env=environment)
    os.close(child)
    written = b""
    while True:
        try:
            piece = os.read(parent, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(parent)
    assert process.wait(60) == 0
    return written.decode()


def test_lines_go_above_the_bar() -> None:
    text = on_a_terminal(CODE)
    assert "elapsed" in text
    before = text[: text.index("epoch 0: loss 2.856")]
    # The bar's line was erased, and the cursor brought back to its start.
    assert before.endswith(("\x1b[2K", "\r", "\n")), repr(before[-40:])
    assert text.rstrip().endswith("done")


@pytest.mark.parametrize(("length", "written"), [(120, "x" * 120), (121, "x" * 119 + "…")])
def test_long_lines_are_cut_to_the_terminal(length: int, written: str) -> None:
    code = f"from service.cli.console import fitted, fitted, say; say(fitted('short\\n' + {length} * 'x'))"
    assert on_a_terminal(code).splitlines() == ["short", written]


def test_a_program_reads_lines_whole() -> None:
    lines = "short\n" + 5000 * "x"
    assert fitted(lines) == lines
