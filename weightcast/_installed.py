"""Whether the packages that Weightcast installed are those that Python finds under their names."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


class HiddenPackage(ImportError):
    """Another folder or file has the name of a package of Weightcast, and Python finds it first."""


def check_not_hidden(package: str) -> None:
    """Raises HiddenPackage if `import package` gives something else than the package next to this one.

    A script's own folder is searched before installed packages, and common names are taken easily.
    """
    ours = Path(__file__).resolve().parents[1] / package
    spec = find_spec(package)
    found = [] if spec is None else [Path(place).resolve() for place in spec.submodule_search_locations or ()]
    if ours.is_dir() and ours not in found:
        origin = found[0] if found else getattr(spec, "origin", None)
        raise HiddenPackage(
            f"{origin} hides Weightcast's package {package!r}: Python finds it first. Rename it, or run your "
            "script from another folder."
        )
