"""Which service runs from a home: its file lock, which ends with its process, and its address in the file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import IO


def path_of(home: Path) -> Path:
    return home / "serve.lock"


def sign(lock: IO[str], address: str) -> None:
    """Write into the locked file who holds it."""
    lock.truncate(0)
    lock.write(f"process {os.getpid()}, {address}")
    lock.flush()


def running_address(home: Path) -> str | None:
    """Where the service of this home listens; None where none runs, or its address is not known yet."""
    try:
        import fcntl  # not on Windows, where no service can be started either
    except ImportError:
        return None
    try:
        with path_of(home).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                match = re.search(r"http://\S+", lock.read())
                return match.group() if match else None
    except OSError:
        return None
    return None
