"""A service that answers from a script, and answers to put in it."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import numpy as np

from service.weights.blocks import Block, Provenance, WeightBlocks
from service.weights.formats import write_weights

Step = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Script:
    """Plays its steps in order, one a request, and keeps the requests. Fails the test when asked for more."""

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        assert self._steps, f"unexpected request: {request.method} {request.url}"
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, httpx.Response) else step(request)

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self)

    @property
    def is_finished(self) -> bool:
        return not self._steps

    def sent_json(self, index: int = 0) -> Any:
        return json.loads(self.requests[index].content)

    def sent_lines(self, index: int = 0) -> list[Any]:
        """Of a body of JSON lines."""
        assert self.requests[index].headers["Content-Type"] == "application/x-ndjson"
        return [json.loads(line) for line in self.requests[index].content.split(b"\n")]


class BrokenStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks off after its chunks."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        raise httpx.ReadError("connection reset")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
        raise httpx.ReadError("connection reset")


def problem(status: int, headers: dict[str, str] | None = None, **members: Any) -> httpx.Response:
    document = {
        "type": "https://weightcast.dev/problems/invalid-architecture",
        "title": "The architecture was read, but it is not a valid network",
        "status": status,
        "detail": "The graph has a cycle.",
        **members,
    }
    return httpx.Response(
        status,
        headers={"Content-Type": "application/problem+json", **(headers or {})},
        content=json.dumps(document).encode(),
    )


def job(status: str = "succeeded", *, http_status: int = 200, **members: Any) -> httpx.Response:
    document = {
        "id": "j1",
        "kind": "predict-weights",
        "status": status,
        "created_at": "2026-01-01T00:00:00.000+00:00",
        "progress": {"done": 0, "total": 0, "message": ""},
        "links": {"self": "/jobs/j1", "events": "/jobs/j1/events"},
        **members,
    }
    return httpx.Response(http_status, json=document)


def two_tensor_weights() -> WeightBlocks:
    rng = np.random.default_rng(0)
    tile = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    return WeightBlocks(
        {
            "conv.weight": Block(tile, (8, 3, 3, 3), 0.5, None, Provenance.TILED),
            "conv.bias": Block(np.zeros(8, np.float32), (8,), 1.0, None, Provenance.DEFAULTED),
        },
        "ghn2-cifar10",
        "abc",
    )


def weights_file(output: str = "tiles", dtype: str = "float32") -> bytes:
    buffer = io.BytesIO()
    write_weights(buffer, two_tensor_weights(), output=output, dtype=dtype)
    return buffer.getvalue()


def prediction(body: bytes, **members: Any) -> dict[str, Any]:
    """The result object of a predict-weights job whose weights file is `body`."""
    weights = two_tensor_weights()
    return {
        "digest": "d" * 64,
        "model": weights.model,
        "cached": False,
        "num_tensors": len(weights.blocks),
        "num_parameters": weights.num_parameters,
        "complete": True,
        "coverage": weights.coverage,
        "defaulted": list(weights.defaulted),
        "weights": {
            "url": f"/weights/{'d' * 64}.tiles.safetensors",
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
        },
        "timings_ms": {"total": 3.0},
        **members,
    }


def download(body: bytes, etag: str | None = '"d"') -> httpx.Response:
    headers = {} if etag is None else {"ETag": etag}
    return httpx.Response(200, headers=headers, content=body)
