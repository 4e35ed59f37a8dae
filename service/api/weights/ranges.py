"""Single byte ranges (RFC 9110 section 14): what part of a file a request asks for.

Only one range is served. Several are answered with the whole file, which the RFC allows and which keeps a
request from costing more than its file. A header that cannot be read is ignored, as the RFC asks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from service.errors import RangeNotSatisfiable

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `start` to `stop`, `stop` not included, of a file of `size` bytes."""

    start: int
    stop: int
    size: int

    @property
    def length(self) -> int:
        return self.stop - self.start

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The part that is asked for, None for the whole file. RangeNotSatisfiable where it lies outside."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None:
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise RangeNotSatisfiable(
            f"The file has {size:,} bytes; {header!r} asks for none of them.", size=size
        )
    return ByteRange(start, stop, size)
