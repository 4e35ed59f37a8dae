"""Connections that send nothing, too slowly, or what is no HTTP."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from service.api.connection import Connection
from service.api.errors import error_response
from service.errors import RequestTimeout


class Hasty(Connection):
    header_seconds = 0.5


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """A slow body is answered as the service answers it; all else with nothing."""
    if scope["path"] == "/slow":
        response = error_response(RequestTimeout("too slow"), Request(scope))
        await response(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def port() -> Iterator[int]:
    config = uvicorn.Config(app, port=0, http=Hasty, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(30)


def read_to_end(connection: socket.socket) -> bytes:
    """What the server says until it closes the connection; a TimeoutError if it never does."""
    said = b""
    while part := connection.recv(65536):
        said += part
    return said


def problem_in(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    found: dict[str, object] = json.loads(body)
    return found


@pytest.mark.parametrize("sent", [b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b"])
def test_a_header_that_never_ends_is_cut_off(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(sent)
        assert problem_in(read_to_end(connection))["status"] == 408


def test_a_connection_without_a_request_is_closed(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        assert read_to_end(connection) == b""


def test_bytes_that_drip_do_not_buy_time(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(OSError):
            for _ in range(200):
                connection.sendall(b"X-A: b\r\n")
                time.sleep(0.1)


def test_a_second_request_on_the_connection_has_its_own_time(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for _ in range(2):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 204")
            time.sleep(0.7)
        connection.sendall(b"GET / HT")
        assert problem_in(read_to_end(connection))["status"] == 408


@pytest.mark.parametrize(
    "sent", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"\x16\x03\x01\x02\x00"]
)
def test_what_is_no_http_gets_a_problem_document(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(sent)
        assert problem_in(read_to_end(connection))["status"] == 400


def test_a_body_that_took_too_long_ends_the_connection(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
        assert b"connection: close" in read_to_end(connection).lower()
