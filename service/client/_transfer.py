"""The vocabulary between logic and I/O.

A *flow* is a generator that yields what should happen next and receives what came of it:

    Request  -> the httpx.Response (its body read, or poured into the request's sink); transport errors are
                thrown in
    Pause    -> None, some time later
    Compute  -> None, when it is done

`Client` and `AsyncClient` only carry out these steps, so retrying, polling and resuming are written once, and
testable without a network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import httpx

from service.client._errors import UnexpectedAnswer

T = TypeVar("T")


class Download:
    """Collects a body that may arrive in several pieces; keeps what it has when the connection breaks. What
    has arrived is hashed while the rest is on its way.

    expected_bytes: size the caller was told, if any.
    """

    def __init__(self, on_bytes: Callable[[int, int | None], None] | None = None) -> None:
        self.body = bytearray()
        self.etag: str | None = None
        self.total_bytes: int | None = None
        self._on_bytes = on_bytes
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of the body, hexadecimal."""
        return self._digest.hexdigest()

    def begin(self, response: httpx.Response) -> None:
        """Take note of where the coming bytes belong.

        A 200 starts over (the file changed, or ranges are not supported); a 206 must continue exactly where
        we stopped.
        """
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            start = _content_range_start(response.headers.get("Content-Range", ""))
            if start != len(self.body):
                raise UnexpectedAnswer(f"requested bytes from {len(self.body)}, got bytes from {start}")
        else:
            self.restart()
            self.etag = response.headers.get("ETag")
            length = response.headers.get("Content-Length")
            self.total_bytes = int(length) if length is not None and length.isdigit() else None

    def restart(self) -> None:
        """Forget what has arrived."""
        self.body.clear()
        self._digest = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        self.body += chunk
        self._digest.update(chunk)
        if self._on_bytes is not None:
            self._on_bytes(len(self.body), self.total_bytes)

    @property
    def resume_headers(self) -> dict[str, str]:
        """Headers that ask for the rest; empty when nothing has arrived or the file could have changed
        unnoticed.
        """
        if not self.body or self.etag is None or self.etag.startswith("W/"):
            return {}
        return {"Range": f"bytes={len(self.body)}-", "If-Range": self.etag}


def _content_range_start(header: str) -> int:
    unit, _, span = header.strip().partition(" ")
    start = span.partition("-")[0]
    if unit != "bytes" or not start.isdigit():
        raise UnexpectedAnswer(f"cannot read the Content-Range {header!r}")
    return int(start)


class Sink(Protocol):
    """Takes the body of a successful answer as it arrives."""

    def begin(self, response: httpx.Response) -> None:
        """An answer begins: the first, or the next after one that broke off."""

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""

    @property
    def resume_headers(self) -> dict[str, str]:
        """Headers of the next try that ask for the rest; empty to begin anew."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    content: a body that is written already, instead of `json`: JSON, unless `headers` say otherwise.
    repeatable: sending it twice does no harm, so it may be retried after the connection broke mid-way.
    read_timeout_seconds: how long the answer may stay silent.
    """

    method: str
    path: str
    json: Any = None
    content: bytes | None = None
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    read_timeout_seconds: float = 30.0
    sink: Sink | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Compute:
    """Work that would hold up an event loop."""

    function: Callable[[], None]


Flow = Generator[Request | Pause | Compute, httpx.Response | None, T]


def computed(function: Callable[[], T]) -> Flow[T]:
    """What the function returns, worked out where it holds up nobody."""
    results: list[T] = []
    yield Compute(lambda: results.append(function()))
    return results[0]


class Deadline:
    """The total time of a call, over all its retries and polls. `seconds` None means no limit."""

    def __init__(self, seconds: float | None, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start = clock()
        self.seconds = seconds

    @property
    def elapsed_seconds(self) -> float:
        return self._clock() - self._start

    @property
    def remaining_seconds(self) -> float:
        return float("inf") if self.seconds is None else max(0.0, self.seconds - self.elapsed_seconds)
