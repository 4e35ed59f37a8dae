"""Requests that are wrong in every way we can think of, each a little away from one that is right.

`Mutator(openapi, seed).request()` gives the bytes of a whole HTTP request: parts of the examples of the
OpenAPI document replaced, files damaged by bytes and by nodes, forms, headers and queries that do not fit.
"""

from __future__ import annotations

import copy
import json
import string
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.graph_io.test_onnx_mutations import damaged, seeds

NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 1e308, 0.5, -0.0)
TEXTS = (
    "",
    " ",
    "\x00",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "a" * 5000,
    "\N{SNOWMAN}",
    "\ud800",
    "%s%n",
)
HEADERS = {
    "Prefer": ("wait=", "wait=-1", "wait=1e9", "wait=1, wait=2", "respond-async; x", "=", "wait=\xff"),
    "Idempotency-Key": ("", "x" * 4000, "\xfc", '"a"', "a b"),
    "Range": ("bytes=", "bytes=-", "bytes=9-1", "bytes=0-0,1-1", "bytes=" + "9" * 40, "items=1-2"),
    "If-None-Match": ("*", "W/", '"', ",,,", "x" * 4000),
    "Accept": ("", "*/*;q=9", "text/" + "x" * 2000, ";;;", "application/*;q=a"),
    "Host": ("", "[", "[::1", "a b", "x" * 300, "localhost:port", "127.0.0.1:99999999"),
    "Origin": ("null", "http://[", "//", "\xff", "http://127.0.0.1"),
    "Authorization": ("Bearer", "Bearer \xff", "Basic a", "Bearer " + "x" * 5000),
    "Content-Type": (
        "application/json; charset=utf-7",
        "text/plain",
        "multipart/form-data",
        "",
        "/",
        "a" * 3000,
    ),
    "Content-Encoding": ("gzip", "identity, gzip", "\xff"),
    "traceparent": ("00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 500, "00-g"),
    "X-Request-ID": ("\xff", "a b", "x" * 1000),
    "Last-Event-ID": ("-1", "9" * 40, "a-b", "\xff"),
    "Transfer-Encoding": ("chunked", "gzip", "identity"),
    "Content-Length": ("-1", "1e3", "99999999999999999999", "+5"),
}
PATHS = (
    "/jobs?limit={}",
    "/jobs?cursor={}",
    "/jobs?kind={}",
    "/jobs/{}",
    "/jobs/{}/events",
    "/weights/{}",
    "/models?{}={}",
    "/limits?{}",
    "/operators?{}",
    "/predict-weights?output={}",
    "/predict-weights?dtype={}&model={}",
    "/{}",
    "//{}",
)


class Mutator:
    """Requests from one generator of random numbers. Not thread-safe: one for each thread."""

    def __init__(self, openapi: Mapping[str, Any], seed: int) -> None:
        self._rng = Random(seed)
        self._examples = list(_examples(openapi))
        self._files = seeds()
        self._kinds: dict[str, Callable[[], bytes]] = {
            "JSON": self._json,
            "JSON Lines": self._lines,
            "cells": self._cell,
            "ONNX": self._onnx,
            "multipart": self._form,
            "headers": self._header,
            "queries": self._query,
        }

    def request(self) -> tuple[str, bytes]:
        """The kind of the request, and its bytes."""
        kind = self._rng.choice(list(self._kinds))
        return kind, self._kinds[kind]()

    def _json(self) -> bytes:
        path, body = self._rng.choice(self._examples)
        text = _dump(self._changed(body))
        return self._post(path, self._bytes_changed(text) if self._rng.random() < 0.2 else text)

    def _lines(self) -> bytes:
        inner = [body["architecture"] for _, body in self._examples if "architecture" in body]
        lines = [_dump(self._changed(self._rng.choice(inner))) for _ in range(self._rng.randint(1, 5))]
        path = self._rng.choice(["/rank-architectures", "/embed-architectures", "/compare-architectures"])
        return self._post(path, b"\n".join(lines), "application/x-ndjson")

    def _cell(self) -> bytes:
        cells = [
            body
            for _, body in self._examples
            if (body.get("architecture") or {}).get("format", "graph") != "graph"
        ]
        body = copy.deepcopy(self._rng.choice(cells))
        document = body["architecture"]
        name = self._rng.choice(list(document))
        document[name] = (
            self._text_changed(document[name]) if isinstance(document[name], str) else self._any()
        )
        return self._post("/predict-weights", _dump(body))

    def _onnx(self) -> bytes:
        proto = self._rng.choice(self._files)
        data = damaged(proto, self._rng) if self._rng.random() < 0.7 else bytes(proto.SerializeToString())
        data = self._bytes_changed(data) if self._rng.random() < 0.5 else data
        output = self._rng.choice(["tiles", "onnx", "safetensors"])
        return self._post(f"/predict-weights?output={output}", data, "application/octet-stream")

    def _form(self) -> bytes:
        boundary = self._rng.choice(["b", "b", "b", "b" * 70, "b\xff", "", "a b"])
        name = self._rng.choice(["architecture", "architecture", "output", "x", "", "architecture\x00"])
        file = self._rng.choice(
            ['; filename="n.onnx"', "", '; filename="../../n"', '; filename="', "; filename*=u'x"]
        )
        content = bytes(self._rng.choice(self._files).SerializeToString())
        if self._rng.random() < 0.5:
            content = self._bytes_changed(content)[: self._rng.choice([50, 10**6])]
        part = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode(
            "latin-1"
        )
        end = self._rng.choice([f"\r\n--{boundary}--\r\n", "", "\r\n--", f"\r\n--{boundary}"]).encode(
            "latin-1"
        )
        parts = self._rng.choice([1, 1, 1, 2, 30])
        body = b"\r\n".join([part + content[: 10**6 // parts]] * parts) + end
        return self._post("/predict-weights", body, f"multipart/form-data; boundary={boundary}")

    def _header(self) -> bytes:
        path, body = self._rng.choice(self._examples)
        name = self._rng.choice(list(HEADERS))
        return self._post(path, _dump(body), **{name: self._rng.choice(HEADERS[name])})

    def _query(self) -> bytes:
        path = self._rng.choice(PATHS)
        values = [
            self._rng.choice(["%", "%00", "%ff", "9" * 30, "-1", "x" * 3000, "a%2fb", "..%2f..", "nan", "[]"])
        ] * 2
        method = self._rng.choice(["GET", "HEAD", "DELETE", "POST", "PUT", "OPTIONS", "TRACE", "X"])
        return _http(method, path.format(*values), b"", {"Host": "127.0.0.1"})

    def _post(self, path: str, body: bytes, media: str = "application/json", **headers: str) -> bytes:
        prefer = self._rng.choice(["respond-async", "wait=2"])
        known = {
            "Host": "127.0.0.1",
            "Content-Type": media,
            "Prefer": prefer,
            "Content-Length": str(len(body)),
        }
        return _http("POST", path, body, {**known, **headers})

    def _any(self) -> Any:
        kind = self._rng.randrange(7)
        if kind == 0:
            return self._rng.choice(NUMBERS)
        if kind == 1:
            return self._rng.choice(TEXTS)
        if kind == 2:
            return self._rng.choice([None, True, False, [], {}])
        if kind == 3:
            deep: Any = 1
            for _ in range(self._rng.choice([5, 40, 400])):
                deep = [deep] if self._rng.random() < 0.5 else {"a": deep}
            return deep
        if kind == 4:
            return [self._rng.choice(NUMBERS) for _ in range(self._rng.choice([3, 300]))]
        return copy.deepcopy(self._rng.choice(self._examples)[1])

    def _changed(self, document: Any) -> Any:
        """The same with one to three values replaced, removed, doubled or renamed."""
        document = copy.deepcopy(document)
        for _ in range(self._rng.randint(1, 3)):
            places = list(_places(document))
            if not places:
                return self._any()
            holder, key = self._rng.choice(places)
            how = self._rng.randrange(5)
            if how == 0:
                del holder[key]
            elif how == 1 and isinstance(holder, dict):
                holder[self._rng.choice(TEXTS) + str(key)] = holder.pop(key)
            elif how == 2 and isinstance(holder, list):
                holder.extend(copy.deepcopy(holder[key]) for _ in range(self._rng.choice([1, 50])))
            elif how == 3 and isinstance(holder[key], str):
                holder[key] = self._text_changed(holder[key])
            else:
                holder[key] = self._any()
        return document

    def _text_changed(self, text: str) -> str:
        place = self._rng.randrange(len(text) + 1)
        extra: str = self._rng.choice([*TEXTS, *"~|+/0#", self._rng.choice(string.printable)])
        return text[:place] + extra + text[place + self._rng.randrange(4) :]

    def _bytes_changed(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self._rng.randint(1, 4)):
            place = self._rng.randrange(len(changed) + 1)
            how = self._rng.randrange(4)
            if how == 0:
                changed[place : place + 1] = self._rng.randbytes(1)
            elif how == 1:
                changed[place:place] = self._rng.randbytes(self._rng.randint(1, 20))
            elif how == 2:
                del changed[place : place + self._rng.randint(1, 20)]
            elif self._rng.random() < 0.3:
                del changed[place:]
        return bytes(changed)


def _examples(openapi: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(path, body) of every JSON example of a call that takes one."""
    examples = []
    for path, methods in openapi["paths"].items():
        content = (
            methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        )
        bodies = [entry["value"] for entry in content.get("examples", {}).values()]
        examples += [
            (path, body) for body in [*bodies, *([content["example"]] if "example" in content else [])]
        ]
    return examples


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every (holder, key) of a document."""
    keys = (
        list(document)
        if isinstance(document, dict)
        else range(len(document))
        if isinstance(document, list)
        else ()
    )
    places = [(document, key) for key in keys]
    for key in keys:
        places += _places(document[key])
    return places


def _dump(document: Any) -> bytes:
    return json.dumps(document).encode("utf-8", "surrogatepass")


def _http(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", "replace") + body
