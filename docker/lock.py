"""Writes api.txt, torch.txt and worker.txt: what the images install, at the versions of this environment.

Run in the environment that passed the tests: `.venv/bin/python docker/lock.py`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).parent
PYPROJECT = FOLDER.parent / "pyproject.toml"
EXTRAS_OF_IMAGE = {"api": ("api", "otel", "s3"), "worker": ("worker", "otel", "s3")}
# A torch build pins its own CUDA libraries; a CPU build has none of them.
BROUGHT_BY_TORCH = re.compile(r"nvidia-|cuda-|triton$")


def requirements(extras: Iterable[str]) -> Iterator[Requirement]:
    """What our package requires with these extras; its extras inside of others are resolved."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    lines = [line for extra in extras for line in project["optional-dependencies"][extra]]
    for required in map(Requirement, [*project["dependencies"], *lines]):
        if required.name == project["name"]:
            yield from requirements(required.extras)
        else:
            yield required


def installed(
    wanted: Iterable[Requirement], seen: set[tuple[str, frozenset[str]]]
) -> Iterator[tuple[str, str]]:
    """(name, version) of what is installed for these requirements, in depth."""
    for required in wanted:
        key = (canonicalize_name(required.name), frozenset(required.extras))
        if key in seen or BROUGHT_BY_TORCH.match(key[0]):
            continue
        seen.add(key)
        distribution = metadata.distribution(required.name)
        # Without a build's own tag (+cpu, +cu130): the same version may come from another index.
        yield key[0], distribution.version.partition("+")[0]
        further = map(Requirement, distribution.requires or ())
        yield from installed((each for each in further if _applies(each, required.extras)), seen)


def _applies(required: Requirement, extras: set[str]) -> bool:
    marker = required.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def write(name: str, versions: Iterable[tuple[str, str]]) -> None:
    lines = ["# Made by docker/lock.py: what passed the tests is what the image gets."]
    lines += [f"{package}=={version}" for package, version in sorted(versions)]
    (FOLDER / f"{name}.txt").write_text("\n".join(lines) + "\n")


def main() -> None:
    api, worker = (set(installed(requirements(extras), set())) for extras in EXTRAS_OF_IMAGE.values())
    # By itself, for it is most of the image, takes most of its build, and changes least.
    torch = set(installed(map(Requirement, ("torch", "torchvision")), set()))
    write("api", api)
    write("torch", torch)
    write("worker", worker - torch)


if __name__ == "__main__":
    main()
