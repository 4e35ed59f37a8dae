"""One family of errors, from the readers to the wire.

ServiceError                    500  something of ours broke
|- InvalidInput                 400  the bytes are not what they claim to be
|- UnsupportedMediaType         415  not a format that is read
|- LimitExceeded                413  extra: limit, value
|- InvalidArchitecture          422  it was read, but the network makes no sense; extra: node
|  |- UnsupportedOperator       422  extra: operator, node
|  |- NotConnected              422  a cell whose output nothing reaches: of a benchmark, but no network
|- InvalidRequest               422  a field of the request is wrong; extra: field
|- UnknownModel                 422  extra: model, available
|- NotFound                     404
|- Conflict                     409
|- Unauthorized                 401
|- Forbidden                    403
|- TooManyRequests              429  extra: retry_after
|- Unavailable                  503  extra: retry_after

Every error carries a sentence for a person (`detail`), what to do about it where we know (`hint`, part of
the extras), and machine-readable extras. Where a document or a request is at fault, `field` is the JSON
Pointer of the part; a form's fields, a query's options and a function's arguments count as members of one
object. The API turns errors into RFC 9457 problem documents; the command line prints the same documents.
"""

from __future__ import annotations

from typing import Any

from service.json_pointer import pointer

PROBLEM_TYPE_PREFIX = "https://weightcast.dev/problems/"


class ServiceError(Exception):
    """Base of every error that a user may see. `extra` values must be JSON-serialisable."""

    status: int = 500
    code: str = "internal-error"
    title: str = "Something went wrong on our side"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = {key: value for key, value in extra.items() if value is not None}

    def place_in(self, *keys: object) -> None:
        """Say where in a larger document the one with the fault stands, so that `field` points from its
        root.
        """
        self.extra["field"] = pointer(*keys) + self.extra.get("field", "")

    def problem(self) -> dict[str, Any]:
        """The RFC 9457 problem document of this error."""
        return {
            "type": PROBLEM_TYPE_PREFIX + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.extra,
        }


class InvalidInput(ServiceError):
    status, code, title = 400, "invalid-input", "The input could not be read"


class UnsupportedMediaType(ServiceError):
    status, code, title = 415, "unsupported-media-type", "This media type is not read here"


class LimitExceeded(ServiceError):
    status, code, title = 413, "limit-exceeded", "The input is larger than allowed"


class InvalidArchitecture(ServiceError):
    status, code, title = (
        422,
        "invalid-architecture",
        "The architecture was read, but it is not a valid network",
    )


class UnsupportedOperator(InvalidArchitecture):
    code, title = "unsupported-operator", "The architecture uses an operator that is not supported"


class NotConnected(InvalidArchitecture):
    """What a benchmark has values for, and a search space holds, although nobody can build it."""


class InvalidRequest(ServiceError):
    status, code, title = 422, "invalid-request", "A field of the request is not acceptable"


class UnknownModel(ServiceError):
    status, code, title = 422, "unknown-model", "There is no such model"


class NotFound(ServiceError):
    status, code, title = 404, "not-found", "There is nothing here"


class Conflict(ServiceError):
    status, code, title = 409, "conflict", "This does not fit the current state"


class Unauthorized(ServiceError):
    status, code, title = 401, "unauthorized", "A valid API key is needed"


class Forbidden(ServiceError):
    status, code, title = 403, "forbidden", "This key may not do that"


class TooManyRequests(ServiceError):
    status, code, title = 429, "too-many-requests", "Too many requests"


class Unavailable(ServiceError):
    status, code, title = 503, "unavailable", "The service cannot take this work now"
