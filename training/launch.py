"""The processes of a training run: how many there should be, and starting those beside the first.

The first process leads; it shows the progress and writes the files. The others are its children: they end
when it tells them to, and when it dies.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from service.parent_death import wrapped
from training.cores import usable_cores

# Read once, by the libraries below torch: to be set before torch computes anything.
# Networks have ever new shapes. In a cache of the usual 1024 primitives, making and evicting them took a
# tenth of a step. A process that computes with one thread needs no pool of threads.
ENVIRONMENT: Mapping[str, str] = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "8192", "OMP_NUM_THREADS": "1"}
_ENDING_SECONDS = 10.0


def prepare_environment() -> None:
    """Set what training needs, unless the user has said otherwise. To be called before torch is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def processes_for(meta_batch: int, *, limit: int = 0) -> int:
    """One process a GPU; without one, a process for every usable core, and no more than networks in a step.

    limit: most cores to use, 0 for all.
    """
    import torch

    workers = torch.cuda.device_count() or usable_cores()
    return max(1, min(workers, meta_batch, limit or workers))


@contextmanager
def companions(size: int, run_folder: Path, cache_dir: Path | None) -> Iterator[Path]:
    """Processes number 1 to size - 1 of the run in `run_folder`; yields the file where they meet.

    Leaving waits for their end, and makes it come.
    """
    with tempfile.TemporaryDirectory(prefix="weightcast-") as scratch:
        meeting = Path(scratch) / "meeting"
        started: list[subprocess.Popen[bytes]] = []
        try:
            for rank in range(1, size):
                command = [sys.executable, "-m", "training.companion", str(run_folder), str(meeting)]
                command += ["--rank", str(rank), "--size", str(size)]
                if cache_dir is not None:
                    command += ["--cache-dir", str(cache_dir)]
                # In a session of its own: Ctrl-C reaches the leader alone, and all stop after the same step.
                started.append(
                    subprocess.Popen(wrapped(command), stdin=subprocess.DEVNULL, start_new_session=True)
                )
            yield meeting
            for process in started:
                try:
                    process.wait(_ENDING_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            for process in started:
                process.kill()
                process.wait()
