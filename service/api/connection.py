"""One connection of a caller: it must not be held without a request, and what is no HTTP is told so as every
other error is.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.api.errors import PROBLEM_JSON, problem_response
from service.errors import HttpError, RequestTimeout, ServiceError

HEADER_SECONDS = 20.0
"""How long a caller may take from the first byte of a request (from connecting, if it is the first) to the
end of its header."""


class Connection(HttpToolsProtocol):
    """uvicorn's own, with a limit of time for headers and problem documents for malformed requests."""

    header_seconds = HEADER_SECONDS
    _header_timer: asyncio.TimerHandle | None = None
    _in_header = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._header_arrived()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_header = True
        if self._header_timer is None:
            self._expect_header()

    def on_headers_complete(self) -> None:
        self._header_arrived()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        malformed = HttpError(
            "This is not an HTTP request.", hint="Check the request line, headers and lengths."
        )
        malformed.status = 400
        self._refuse(malformed)

    def _expect_header(self) -> None:
        self._header_timer = self.loop.call_later(self.header_seconds, self._header_is_late)

    def _header_arrived(self) -> None:
        self._in_header = False
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _header_is_late(self) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # The next request may wait while the answer to the one before is still sent.
            self._expect_header()
        elif not self._in_header:
            # Browsers connect ahead of need: an answer to nothing would confuse them.
            self.transport.close()
        else:
            self._refuse(RequestTimeout(f"No header arrived within {self.header_seconds:g} seconds."))

    def _refuse(self, error: ServiceError) -> None:
        body = bytes(problem_response(error.problem()).body)
        status = HTTPStatus(error.status)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {PROBLEM_JSON}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()
