"""The processes of a training run: how many there should be, and starting those beside the first.

The first process leads; it shows the progress and writes the files. The others are its children: they end
when it tells them to, and when it dies.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.errors import ServiceError
from service.kit.cores import usable_cores
from service.parent_death import wrapped

_ENDING_SECONDS, _POLL_SECONDS = 10.0, 0.05


def processes_for(meta_batch: int, *, limit: int = 0) -> int:
    """One process a GPU; without one, a process for every usable core, and no more than networks in a step.

    limit: most cores to use, 0 for all.
    """
    import torch

    cores = usable_cores()
    workers = torch.cuda.device_count() or min(cores, limit or cores)
    return min(workers, meta_batch)


class TeamBroken(ServiceError):
    code, title = "training-failed", "A process of the training ended"


def ready_file(meeting: Path, rank: int) -> Path:
    """Exists when a process is ready to meet the others."""
    return meeting.with_name(f"ready-{rank}")


class Companions:
    """The processes beside the first one. meeting: the file through which all find each other."""

    def __init__(self, size: int, run_folder: Path, cache_dir: Path | None, meeting: Path) -> None:
        self.meeting, self._processes = meeting, dict[int, subprocess.Popen[bytes]]()
        for rank in range(1, size):
            command = [sys.executable, "-m", "training.ghn.companion", str(run_folder), str(meeting)]
            command += ["--rank", str(rank), "--size", str(size)]
            if cache_dir is not None:
                command += ["--cache-dir", str(cache_dir)]
            # In a session of its own: Ctrl-C reaches the leader alone, and all stop after the same step.
            self._processes[rank] = subprocess.Popen(
                wrapped(command), stdin=subprocess.DEVNULL, start_new_session=True
            )

    def wait_until_ready(self) -> None:
        """Raises TeamBroken if one ends instead: the others would wait for it in vain."""
        while not all(ready_file(self.meeting, rank).exists() for rank in self._processes):
            if any(process.poll() is not None for process in self._processes.values()):
                raise TeamBroken("One of the processes that were to train together could not start.")
            time.sleep(_POLL_SECONDS)

    def end(self, grace_seconds: float) -> None:
        """Return when all have ended; after a while, make them."""
        deadline = time.monotonic() + grace_seconds
        for process in self._processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def companions(size: int, run_folder: Path, cache_dir: Path | None) -> Iterator[Companions]:
    """Processes number 1 to size - 1 of the run in `run_folder`, which are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="weightcast-") as scratch:
        started = Companions(size, run_folder, cache_dir, Path(scratch) / "meeting")
        try:
            yield started
        except BaseException:
            started.end(0)
            raise
        started.end(_ENDING_SECONDS)
