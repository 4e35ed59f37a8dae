"""Types of options whose values are checked: the error says what may stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

_REDIS = ("redis", "rediss", "unix")
_BUCKETS = ("s3", "gs", "az")


def _like(pattern: str, expected: str) -> AfterValidator:
    """Text that matches the whole pattern."""

    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


def _url(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        scheme, mark, _ = value.partition("://")
        if not mark or scheme not in schemes:
            raise ValueError(f"expected an address that begins with {_either([f'{s}://' for s in schemes])}")
        try:
            _ = urlsplit(value).port
        except ValueError:
            raise ValueError("expected a port from 0 to 65535 in the address") from None
        return value

    return AfterValidator(check)


def _either(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _expanded(path: Path) -> Path:
    """Only a shell knows `~`, and not all that sets variables is a shell."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"there is no home folder {path.parts[0]}") from None


LocalPath = Annotated[Path, AfterValidator(_expanded)]
RedisUrl = Annotated[str, _url(*_REDIS)]
BucketUrl = Annotated[str, _url(*_BUCKETS)]
Device = Annotated[str, _like(r"auto|cpu|cuda(:\d+)?", "`auto`, `cpu`, `cuda`, or `cuda:` and a number")]
Origins = Annotated[
    str,
    _like(
        r"\s*(\*|https?://[^\s,/]+(\s*,\s*https?://[^\s,/]+)*)?\s*",
        "`*`, or addresses such as https://app.example.org, without a path, with commas between them",
    ),
]
