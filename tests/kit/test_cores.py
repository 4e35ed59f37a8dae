"""How many cores are used: physical ones, within the quota of the control group."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.kit.cores import usable_cores


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four processors: two cores of two threads each."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    for cpu in range(4):
        topology = tmp_path / f"devices/system/cpu/cpu{cpu}/topology"
        topology.mkdir(parents=True)
        (topology / "core_id").write_text(f"{cpu % 2}\n")
        (topology / "physical_package_id").write_text("0\n")
    return tmp_path


def test_threads_of_one_core_count_once(machine: Path) -> None:
    assert usable_cores(machine) == 2


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", 2), ("100000 100000", 1), ("50000 100000", 1), ("800000 100000", 2)]
)
def test_the_quota_of_the_control_group_bounds(machine: Path, quota: str, cores: int) -> None:
    (machine / "fs/cgroup").mkdir(parents=True)
    (machine / "fs/cgroup/cpu.max").write_text(quota)
    assert usable_cores(machine) == cores


def test_the_first_version_of_control_groups(machine: Path) -> None:
    folder = machine / "fs/cgroup/cpu"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("150000")
    (folder / "cpu.cfs_period_us").write_text("100000")
    assert usable_cores(machine) == 1


def test_processors_count_where_nothing_is_known(tmp_path: Path, machine: Path) -> None:
    assert usable_cores(tmp_path / "nothing") == 4
