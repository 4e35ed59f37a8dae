"""How many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_SYSTEM = Path("/sys")


def usable_cores(root: Path = _SYSTEM) -> int:
    """Physical cores of this process's affinity mask, no more than the control group's quota; 1 at least.

    Two hardware threads of one core count once: they share the units that compute.
    root: where the kernel shows the processors and the control group (tests give their own).
    """
    allowed = _affinity()
    cores = {_core(root / "devices/system/cpu" / f"cpu{cpu}/topology", cpu) for cpu in allowed}
    return max(1, min(len(cores), _quota(root / "fs/cgroup") or len(cores)))


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _core(topology: Path, cpu: int) -> tuple[str, ...]:
    """What tells one physical core from another; the processor's own number where nothing is known."""
    try:
        return tuple((topology / name).read_text().strip() for name in ("physical_package_id", "core_id"))
    except OSError:
        return (str(cpu),)


def _quota(cgroup: Path) -> int | None:
    """Whole cores that the control group (version 2, or 1) grants; None without a quota."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = (
                (cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
        except OSError:
            return None
    try:
        share = int(quota) / int(period)
    except ValueError:  # "max"
        return None
    return max(1, int(share)) if share > 0 else None
