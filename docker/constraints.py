"""Prints the versions that this environment has of what the images install, as constraints for pip.

Run in the environment that passed the tests:
`.venv/bin/python docker/constraints.py > docker/constraints.txt`.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
IMAGE_EXTRAS = ("api", "worker")
# A torch build pins its own CUDA libraries; a CPU build has none of them.
BROUGHT_BY_TORCH = re.compile(r"nvidia-|cuda-|triton$")


def image_requirements(pyproject: Path = PYPROJECT) -> list[Requirement]:
    """What the images install, extras of our own resolved."""
    project = tomllib.loads(pyproject.read_text())["project"]

    def of_extra(extra: str) -> Iterator[Requirement]:
        for line in project["optional-dependencies"][extra]:
            required = Requirement(line)
            if required.name == project["name"]:
                for nested in required.extras:
                    yield from of_extra(nested)
            else:
                yield required

    base = [Requirement(line) for line in project["dependencies"]]
    return [*base, *(required for extra in IMAGE_EXTRAS for required in of_extra(extra))]


def installed(
    requirements: Iterable[Requirement], seen: set[tuple[str, frozenset[str]]]
) -> Iterator[tuple[str, str]]:
    """(name, version) of what is installed for these requirements, in depth."""
    for required in requirements:
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


def main() -> None:
    versions = dict(installed(image_requirements(), set()))
    lines = ["# Made by docker/constraints.py: what passed the tests is what the images get."]
    lines += [f"{name}=={version}" for name, version in sorted(versions.items())]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
