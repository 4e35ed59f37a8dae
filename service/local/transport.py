"""HTTP without a network: requests of the client become calls of functions, and errors problem documents."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

from service.errors import NotFound, ServiceError
from service.graph_io.json_text import parse_json
from service.graph_limits import limits_of
from service.kit.json_types import JsonObject
from service.local.operations import Operations
from service.settings import get_settings

ADDRESS = "http://in-this-process"
_PROBLEM = "application/problem+json"


class LocalTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """For both clients. A call takes as long as its work: timeouts do not interrupt it."""

    def __init__(self) -> None:
        self._operations = Operations()
        self._limits = limits_of(get_settings())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        try:
            return self._answer(request.method, request.url.path, request.url.params, body)
        except ServiceError as error:
            problem = error.problem()
            content = json.dumps(problem, default=str).encode()
            return httpx.Response(problem["status"], content=content, headers={"Content-Type": _PROBLEM})

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await asyncio.to_thread(self.handle_request, request)

    def _answer(self, method: str, path: str, query: httpx.QueryParams, body: bytes) -> httpx.Response:
        """The bodies have the form in which the client sends them. Raises what the operation raises; NotFound
        for what only a service has.
        """
        operations = self._operations
        _, verb, *name = path.split("/", 2)
        match method, verb, name:
            case "POST", "predict-weights", []:
                return _json(operations.predict(self._parsed(body)).as_json())
            case "POST", "rank-architectures", []:
                return _json(operations.rank(self._listed(query, body)).as_json())
            case "POST", "embed-architectures", []:
                return _json(operations.embed(self._listed(query, body)).as_json())
            case "POST", "compare-architectures", []:
                return _json(operations.compare(self._listed(query, body)).as_json())
            case "GET", "weights", [file]:
                return httpx.Response(200, content=operations.take_file(file))
            case "GET", "models", []:
                return _json({"models": [card.model_dump(mode="json") for card in operations.models()]})
            case "GET", "models", [model]:
                return _json(operations.model(model).model_dump(mode="json"))
            case "GET", "readyz", []:
                return _json({"checks": {}})
        raise NotFound(
            f"{method} {path} needs a service; this client works in its own process.",
            hint="Start one with `weightcast serve`, and connect with Client().",
        )

    def _listed(self, query: httpx.QueryParams, lines: bytes) -> JsonObject:
        return {**query, "architectures": [self._entry(line) for line in lines.split(b"\n") if line]}

    def _entry(self, line: bytes) -> Any:
        """What the line says, or why it cannot be read: others of the list can."""
        try:
            return self._parsed(line)
        except ServiceError as error:
            return error

    def _parsed(self, text: bytes) -> Any:
        return parse_json(text, limits=self._limits)


def _json(document: JsonObject) -> httpx.Response:
    return httpx.Response(200, json=document)
