"""Writes api.txt, torch.txt and worker.txt: what the images install, at the versions of requirements.lock.

A part of `make lock`, which writes that file first.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
LOCK = ROOT / "requirements.lock"
IMAGE = ("--python-version", "3.11", "--python-platform", "linux")
# In every image: traces, and an object store.
SERVED = ("otel", "s3")
# A torch build pins its own CUDA libraries; a CPU build has none of them.
BROUGHT_BY_TORCH = re.compile(r"nvidia-|cuda-|triton(==|-)")


def pins(extras: Iterable[str] = (), packages: Iterable[str] = ()) -> set[str]:
    """`name==version` of all that our package with these extras, or else these packages, need in an image.

    Raises subprocess.CalledProcessError if the lock file does not satisfy them.
    """
    source = "-" if packages else "pyproject.toml"
    options = [word for extra in extras for word in ("--extra", extra)]
    command = [sys.executable, "-m", "uv", "pip", "compile", source, *options, *IMAGE]
    command += ["--constraint", str(LOCK), "--quiet", "--no-header", "--no-annotate"]
    done = subprocess.run(
        command, cwd=ROOT, input="\n".join(packages), stdout=subprocess.PIPE, text=True, check=True
    )
    return {line for line in done.stdout.splitlines() if not BROUGHT_BY_TORCH.match(line)}


def write(name: str, lines: Iterable[str]) -> None:
    header = "# Made by `make lock` from requirements.lock: what passed the tests is what the image gets."
    (FOLDER / f"{name}.txt").write_text("\n".join([header, *sorted(lines)]) + "\n")


def main() -> None:
    # torch by itself, for it is most of the image, takes most of its build, and changes least.
    torch = pins(packages=("torch", "torchvision"))
    write("api", pins(("api", *SERVED)))
    write("torch", torch)
    write("worker", pins(("worker", *SERVED)) - torch)


if __name__ == "__main__":
    main()
