"""How much memory is free for this process."""

from __future__ import annotations

from pathlib import Path

_MEMINFO, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
# Limit and use of the control group, version 2 and version 1.
_CGROUP_FILES = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


def free_memory_bytes(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int | None:
    """What the machine has left, no more than the control group grants; None where the kernel does not say.

    meminfo, cgroup: where it says so (tests give their own).
    """
    known = [left for left in (_of_machine(meminfo), _of_group(cgroup)) if left is not None]
    return min(known, default=None)


def _of_machine(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def _of_group(cgroup: Path) -> int | None:
    for limit, use in _CGROUP_FILES:
        try:
            return max(0, int((cgroup / limit).read_text()) - int((cgroup / use).read_text()))
        except (OSError, ValueError):  # "max" where there is no limit
            continue
    return None
