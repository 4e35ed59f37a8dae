"""Starting the processes of a run, and how many."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.ghn import launch
from training.ghn.launch import TeamBroken, companions, processes_for


def test_a_process_that_cannot_start_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(TeamBroken), companions(2, tmp_path / "no-run", None) as others:
        others.wait_until_ready()


def test_no_more_processes_than_networks_cores_or_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "usable_cores", lambda: 6)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert [processes_for(8), processes_for(4), processes_for(8, limit=2)] == [6, 4, 2]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert processes_for(8) == 3
