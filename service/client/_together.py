"""A job and the file that came of it, in one answer of the type multipart/mixed."""

from __future__ import annotations

import re
from collections.abc import Generator

import httpx

from service.client._errors import UnexpectedAnswer
from service.client._transfer import Download

ACCEPT = "multipart/mixed, application/json"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,15})\r\n", re.IGNORECASE)
_MOST_HEADER_BYTES = 10_000


class Together:
    """Takes the body of an answer: JSON alone, or JSON and then the bytes of a file.

    document: the JSON. file: None where there was none with it.
    """

    def __init__(self, file: Download) -> None:
        self.document = b""
        self.file: Download | None = None
        self._download = file
        self._parts: Generator[None, bytes, None] | None = None

    @property
    def resume_headers(self) -> dict[str, str]:
        """None: what breaks off is asked for anew."""
        return {}

    def begin(self, response: httpx.Response) -> None:
        """Start over with this answer."""
        self.document, self.file, self._parts = b"", None, None
        if response.headers.get("Content-Type", "").lower().startswith("multipart/mixed"):
            self.file, self._parts = self._download, self._read(self._download)
            self._download.restart()
            next(self._parts)

    def write(self, chunk: bytes) -> None:
        if self._parts is None:
            self.document += chunk
        else:
            self._parts.send(chunk)

    def _read(self, file: Download) -> Generator[None, bytes, None]:
        """Takes the chunks of both parts. Raises UnexpectedAnswer for a part that does not say its length."""
        length, rest = yield from _header(b"")
        while len(rest) < length:
            rest += yield
        self.document = rest[:length]
        file.total_bytes, rest = yield from _header(rest[length:])
        while True:  # what comes after the file closes the answer
            if rest := rest[: file.total_bytes - len(file.body)]:
                file.write(rest)
            rest = yield


def _header(start: bytes) -> Generator[None, bytes, tuple[int, bytes]]:
    """The length that the next part gives itself, and what has arrived of it."""
    while (end := start.find(b"\r\n\r\n")) < 0:
        if len(start) > _MOST_HEADER_BYTES:
            break
        start += yield
    length = _LENGTH.search(start[: end + 2]) if end >= 0 else None
    if length is None:
        raise UnexpectedAnswer("a part of the answer does not say how long it is")
    return int(length[1]), start[end + 4 :]
