"""Every error of the API as an RFC 9457 problem document.

What each source becomes:
    ServiceError (service.errors)       its own problem
    pydantic / FastAPI validation       invalid-request with `errors`: a JSON pointer and a sentence each
    Starlette's HTTPException           404, 405 and the like
    anything else                       500 with a reference id; the traceback goes to the log, never to the
    user
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from service import errors
from service.api.paths import allow_header, path_like
from service.contract.problem import Problem
from service.contract.reading import invalid_fields

log = structlog.get_logger("weightcast.api")

PROBLEM_JSON = "application/problem+json"


class ProblemResponse(JSONResponse):
    media_type = PROBLEM_JSON


def problem_response(problem: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> ProblemResponse:
    """The HTTP answer of a problem document; statuses that oblige us to a header get it."""
    status = int(problem.get("status", 500))
    extra = dict(headers or {})
    if status == 401:
        extra.setdefault("WWW-Authenticate", 'Bearer realm="weightcast"')
    if status == 408:
        # What is left of the request would be taken for the next one.
        extra.setdefault("Connection", "close")
    if status in (429, 503):
        extra.setdefault("Retry-After", str(max(1, round(float(problem.get("retry_after", 5))))))
    return ProblemResponse(dict(problem), status_code=status, headers=extra)


def error_response(
    error: errors.ServiceError, request: Request, headers: Mapping[str, str] | None = None
) -> ProblemResponse:
    record = request.scope.get("request_record")
    if record is not None:
        record.problem = error.code
    return problem_response(
        {**error.problem(), "instance": request.url.path, **request_id_of(request)}, headers
    )


def request_id_of(request: Request) -> dict[str, str]:
    request_id = request.scope.get("request_id")
    return {"request_id": request_id} if request_id else {}


def internal_problem(path: str, request_id: str | None, error: BaseException) -> Problem:
    """The problem document of an unexpected error; logs the error under the reference that the user is
    given.
    """
    reference = uuid.uuid4().hex
    log.error("request.crashed", reference=reference, path=path, exc_info=error)
    problem = errors.ServiceError(
        f"An unexpected error happened. It was logged under the reference {reference}.",
        hint="Try again; if it stays, report the reference.",
        reference=reference,
    ).problem()
    problem["instance"] = path
    if request_id:
        problem["request_id"] = request_id
    return problem


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""

    async def service_error(request: Request, error: Exception) -> ProblemResponse:
        assert isinstance(error, errors.ServiceError)
        if error.status >= 500 and not isinstance(error, errors.Unavailable):
            log.error("request.failed", path=request.url.path, exc_info=error)
        return error_response(error, request)

    async def validation_error(request: Request, error: Exception) -> ProblemResponse:
        assert isinstance(error, RequestValidationError)
        entries = [{**entry, "loc": entry["loc"][1:]} for entry in error.errors()]
        where = str(error.errors()[0]["loc"][0]) if entries else "body"
        return error_response(invalid_fields(entries, where=where), request)

    async def http_error(request: Request, error: Exception) -> ProblemResponse:
        assert isinstance(error, HTTPException)
        headers = allow_header(request) if error.status_code == 405 else error.headers
        return error_response(_from_http_exception(error, request), request, headers)

    app.add_exception_handler(errors.ServiceError, service_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)


def _from_http_exception(error: HTTPException, request: Request) -> errors.ServiceError:
    if error.status_code == 404:
        like = path_like(request)
        meant = "" if like is None else f"Did you mean {like}? "
        return errors.NotFound(
            f"There is nothing at {request.url.path}.", hint=f"{meant}The API is listed at /docs."
        )
    if error.status_code == 405:
        return errors.MethodNotAllowed(
            f"{request.method} is not allowed at {request.url.path}.",
            hint="The methods of every path are listed at /docs.",
        )
    if isinstance(error.__cause__, UnicodeDecodeError):  # of bytes that the framework took for JSON
        return errors.InvalidRequest("The body is not JSON: its bytes are not UTF-8.")
    other = errors.HttpError(str(error.detail))
    other.status = error.status_code
    return other
