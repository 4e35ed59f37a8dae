"""Names of files that are no text, and streams that do not know all letters: real processes, for the streams
of the tests know all.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import SMALL_GRAPH, write_json

# Letters of Latin-1, which are no UTF-8, and of two alphabets.
NAMES = (b"\xe9.json", "é日.json".encode())


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse names that are no text")
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_command_ends_well(tmp_path: Path, model_home: Path, encoding: str) -> None:
    names = [os.fsdecode(name) for name in NAMES]
    for name in names:
        write_json(tmp_path / name, SMALL_GRAPH)
    environment = {**os.environ, "WEIGHTCAST_HOME": str(model_home), "WEIGHTCAST_DEFAULT_MODEL": "tiny"}
    environment |= {"PYTHONIOENCODING": encoding, "PYTHONPATH": os.pathsep.join(sys.path)}

    def compare(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "service.cli", "compare", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=120)

    plain = compare(*names, "-o", "far.csv")
    assert plain.returncode == 0, plain.stderr
    assert b"udce9.json" in plain.stdout
    with (tmp_path / "far.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        assert next(csv.reader(file)) == ["", *names]
    assert json.loads(compare(*names, "--json").stdout.decode(encoding))["sources"] == names
    missing = compare(os.fsdecode(b"\xff.json"))
    assert missing.returncode == 3 and b"Traceback" not in missing.stderr
    assert json.loads(missing.stderr.decode(encoding))["source"] == os.fsdecode(b"\xff.json")
