"""Sending a request until it is answered: exponential backoff with jitter, Retry-After, a total deadline."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from service.client._errors import ApiError, ConnectionFailed, refusal
from service.client._transfer import Deadline, Flow, Pause, Request

RETRIED_STATUSES = frozenset({429, 502, 503, 504})
# The request did not reach the service, so repeating it is safe whatever it does.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# Not the network's fault: repeating cannot help.
_HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.TooManyRedirects, httpx.DecodingError)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """attempts: how often a request is sent at most.
    base_seconds, max_seconds: the pause before retry n is base * 2^n, at most max, shortened by up to half at
        random so that clients that failed together do not come back together.
    max_retry_after_seconds: a service that asks for a longer pause than this gets no retry.
    """

    attempts: int = 5
    base_seconds: float = 0.25
    max_seconds: float = 8.0
    max_retry_after_seconds: float = 120.0
    random: random.Random = field(default_factory=random.Random, repr=False, compare=False)

    def pause_seconds(self, failures: int) -> float:
        """The pause after the given number of failures (1 or more)."""
        full = min(self.max_seconds, self.base_seconds * 2.0 ** (failures - 1))
        return full * (1.0 - 0.5 * self.random.random())


def send(request: Request, policy: RetryPolicy, deadline: Deadline) -> Flow[httpx.Response]:
    """The successful answer to a request.

    Raises ApiError for a refusal, ConnectionFailed when no answer came, each after as many retries as are
    safe and fit before the deadline.
    """
    failures = 0
    while True:
        trouble, may_retry = yield from _attempt(request, deadline)
        if isinstance(trouble, httpx.Response):
            return trouble
        failures += 1
        pause = policy.pause_seconds(failures)
        if isinstance(trouble, ApiError) and trouble.retry_after_seconds is not None:
            pause = max(pause, trouble.retry_after_seconds)
            may_retry = may_retry and trouble.retry_after_seconds <= policy.max_retry_after_seconds
        if not may_retry or failures >= policy.attempts or pause >= deadline.remaining_seconds:
            raise trouble
        yield Pause(pause)


def _attempt(
    request: Request, deadline: Deadline
) -> Flow[tuple[httpx.Response | ApiError | ConnectionFailed, bool]]:
    """Send once. Returns the answer, or what went wrong and whether trying again makes sense."""
    patience = max(0.05, min(request.read_timeout_seconds, deadline.remaining_seconds))
    if request.sink is not None:
        request = replace(request, headers={**request.headers, **request.sink.resume_headers})
    try:
        response = yield replace(request, read_timeout_seconds=patience)
    except _HOPELESS as error:
        return _broken(request, error), False
    except _NEVER_SENT as error:
        return _broken(request, error), True
    except httpx.RequestError as error:
        return _broken(request, error), request.repeatable
    if response is None:
        raise TypeError("a request was answered with nothing")
    if response.is_success:
        return response, False
    # 429 and 503 say that the work was not taken; 502 and 504 come from something in between and do not.
    retry = response.status_code in RETRIED_STATUSES
    return problem_of(response), retry and (request.repeatable or response.status_code in (429, 503))


def _broken(request: Request, error: httpx.RequestError) -> ConnectionFailed:
    failure = ConnectionFailed(f"{request.method} {request.path}: {reason_of(error)}")
    failure.__cause__ = error
    return failure


def reason_of(error: httpx.RequestError) -> str:
    """Why no answer came, and from where, if the request got as far as having an address."""
    reason = str(error) or type(error).__name__
    try:
        url = error.request.url
    except RuntimeError:
        return reason
    return f"{reason} ({url.scheme}://{url.netloc.decode('ascii')})"


def problem_of(response: httpx.Response) -> ApiError:
    """The exception of an error answer, whether or not it carries a problem document."""
    retry_after = parse_retry_after(response.headers.get("Retry-After"))
    problem: Mapping[str, Any] | None = None
    if "json" in response.headers.get("Content-Type", ""):
        try:
            parsed = response.json()
        except ValueError:
            parsed = None
        problem = parsed if isinstance(parsed, dict) else None
    if problem is None:
        # Not from the service itself: a proxy, or something else at this address.
        problem = {
            "type": "about:blank",
            "title": response.reason_phrase or "Error",
            "detail": f"{response.request.url} answered {response.status_code} {response.reason_phrase}.",
        }
    return refusal({**problem, "status": response.status_code}, retry_after_seconds=retry_after)


def parse_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds to wait, from delay-seconds or an HTTP date; None when absent or unreadable."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
