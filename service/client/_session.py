"""What the two clients share: address, key, policy, and how a step becomes an httpx call."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

import httpx

from service.client._call import Call, ProgressCallback
from service.client._event_stream import EventStream
from service.client._kept_files import KeptFiles
from service.client._notebook import notebook_progress
from service.client._retry import RetryPolicy
from service.client._transfer import Deadline, Request
from service.client._written import to_json
from service.extras import check_installed
from service.kit.json_types import JsonObject

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT_SECONDS = 600.0
CONNECT_TIMEOUT_SECONDS = 10.0

Transport = TypeVar("Transport", httpx.BaseTransport, httpx.AsyncBaseTransport)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """timeout_seconds: of one call in all, retries and waiting included; None means no limit."""

    base_url: httpx.URL
    api_key: str | None
    policy: RetryPolicy
    timeout_seconds: float | None
    kept: KeptFiles = field(default_factory=KeptFiles)

    def call(self, timeout: float | None, progress: ProgressCallback | None = None) -> Call:
        """timeout: seconds for this one call; None takes the client's. progress: a notebook has a bar of its
        own.
        """
        seconds = self.timeout_seconds if timeout is None else timeout
        deadline = Deadline(seconds, time.monotonic)
        return Call(
            policy=self.policy, deadline=deadline, kept=self.kept, progress=progress or notebook_progress()
        )

    def event_stream(self, job_id: str, timeout: float | None) -> EventStream:
        return EventStream(job_id, self.policy, Deadline(timeout, time.monotonic))

    def url_of(self, path: str) -> httpx.URL:
        """Where a path of the service lies: below the base URL, even if it starts with a slash."""
        if "://" in path or path.startswith(self.base_url.path):
            return self.base_url.join(path)
        return self.base_url.join(path.lstrip("/"))

    def arguments(self, request: Request) -> JsonObject:
        """Keyword arguments for `httpx.Client.build_request`."""
        url = self.url_of(request.path)
        headers = dict(request.headers)
        # The key goes to the service only, never to another address that an answer may point to.
        if self.api_key is not None and _origin(url) == _origin(self.base_url):
            headers["Authorization"] = f"Bearer {self.api_key}"
        arguments: JsonObject = {
            "method": request.method,
            "url": url,
            "headers": headers,
            "params": dict(request.params) or None,
            "timeout": httpx.Timeout(request.read_timeout_seconds, connect=CONNECT_TIMEOUT_SECONDS),
        }
        content = request.content if request.json is None else to_json(request.json).encode()
        if content is not None:
            arguments["content"] = content
            headers.setdefault("Content-Type", "application/json")
        return arguments


class Connected(ABC, Generic[Transport]):
    """A connection to a service, by either of the two kinds of transport."""

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
        retry: RetryPolicy | None = None,
        transport: Transport | None = None,
    ) -> None:
        """timeout: seconds that one call may take in all, retries and waiting for the job included; None: no
            limit.
        transport: how requests travel; for tests and special networks.
        """
        self._session = Session(
            base_url=parse_base_url(base_url),
            api_key=api_key,
            policy=retry or RetryPolicy(),
            timeout_seconds=timeout,
        )
        self._connect(transport)

    @classmethod
    def local(cls) -> Self:
        """A client that does the work in this process, without any service: `predict_weights`,
        `rank_architectures` and `models`, with the answers and errors of a service. The rest raises NotFound.

        Models are those of this machine (`weightcast models list`); timeouts and progress mean nothing here.

        >>> Client.local().predict_weights(model).apply_to(model)

        Raises NotInstalled without torch (the extra `models`).
        """
        check_installed("torch")
        # The rooms that compute: a client of a service never loads them.
        from service.local.transport import ADDRESS, LocalTransport

        transport: Any = LocalTransport()  # of both kinds
        return cls(ADDRESS, timeout=None, retry=RetryPolicy(attempts=1), transport=transport)

    @abstractmethod
    def _connect(self, transport: Transport | None) -> None:
        """Open the pool of connections."""


def parse_base_url(base_url: str) -> httpx.URL:
    """The base URL, ending in a slash so that paths are joined below it (a service may live below
    /weightcast).

    A bare host is plain HTTP.
    """
    url = httpx.URL(base_url if "://" in base_url else f"http://{base_url}")
    return url if url.path.endswith("/") else url.copy_with(path=f"{url.path}/")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
