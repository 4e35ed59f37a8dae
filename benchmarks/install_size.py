"""How much disk each extra of the package takes: all packages that pip installs for it, as they are here.

    python -m benchmarks.install_size

Sizes are those of the packages' own files, without pip and compiled bytecode, in the environment that runs
this, which must hold every extra (`make install`). What a torch with CUDA adds is named apart, because a
build for CPUs comes without.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE = "weightcast"
EXTRAS = ("", "api", "models", "worker", "embedded", "plots", "hub", "s3", "otel", "docs", "dev")
_CUDA = ("nvidia-", "cuda-", "triton")


def closure(
    requirements: Iterable[Requirement], seen: dict[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """Installed packages that the requirements bring, by name, with the extras that were asked of each."""
    for required in requirements:
        name = canonicalize_name(required.name)
        extras = frozenset(required.extras) | seen.get(name, frozenset())
        if name in seen and extras == seen[name]:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        seen[name] = extras
        closure(needed(distribution, extras), seen)
    return seen


def needed(distribution: metadata.Distribution, extras: Iterable[str]) -> list[Requirement]:
    """What it requires here, with these extras."""
    all_of_them = map(Requirement, distribution.requires or ())
    environments = [{"extra": extra} for extra in (*extras, "")]
    return [
        required
        for required in all_of_them
        if required.marker is None or any(required.marker.evaluate(each) for each in environments)
    ]


def ours(extra: str) -> list[Requirement]:
    """What pyproject.toml says for an extra, those that it names itself included; the base comes with it."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    waiting = [extra] if extra else []
    while waiting:
        for line in project["optional-dependencies"][waiting.pop()]:
            required = Requirement(line)
            if required.name == PACKAGE:
                waiting += required.extras
            else:
                lines.append(line)
    return [Requirement(line) for line in lines]


def size(name: str) -> int:
    """Bytes of a package's files, compiled ones left out."""
    files = metadata.distribution(name).files or ()
    paths = (Path(str(file.locate())) for file in files if file.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file())


def main() -> int:
    print("| extra | packages | size | of these CUDA |\n| --- | ---: | ---: | ---: |")
    for extra in EXTRAS:
        sizes = {name: size(name) for name in closure(ours(extra), {})}
        cuda = sum(count for name, count in sizes.items() if name.startswith(_CUDA))
        label = f"`{extra}`" if extra else "none"
        print(f"| {label} | {len(sizes)} | {sum(sizes.values()) / 1e6:,.0f} MB | {cuda / 1e6:,.0f} MB |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
