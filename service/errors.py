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
|- MethodNotAllowed             405  of HTTP alone, as the next three
|- RequestTimeout               408
|- RangeNotSatisfiable          416
|- HttpError                         any other status that the framework raises
|- DamagedFile                  500
|- RetriesExhausted             500  of a job, as the next three
|- TookTooLong                  500
|- NotEnoughMemory              500
|- TrainingFailed               500
|- MissingPackage               500  of the command line, as the next three
|- WrongSetting                 500
|- UnusableFile                 500
|- CommandFailed                500

Every error carries a sentence for a person (`detail`), what to do about it where we know (`hint`, part of
the extras), and machine-readable extras. `remedy` is what to do about this kind of error in general;
docs/problems.md is made of it. Where a document or a request is at fault, `field` is the JSON
Pointer of the part; a form's fields, a query's options and a function's arguments count as members of one
object. The API turns errors into RFC 9457 problem documents; the command line prints the same documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from service.json_pointer import pointer

if TYPE_CHECKING:
    from service.contract.problem import Problem

PROBLEM_TYPE_PREFIX = "https://weightcast.dev/problems/"


class ServiceError(Exception):
    """Base of every error that a user may see. `extra` values must be JSON-serialisable; bytes, which the
    names in a damaged file are, become text.
    """

    status: int = 500
    code: str = "internal-error"
    title: str = "Something went wrong on our side"
    remedy: str = (
        "Try again. If it stays, report the `reference` of the answer: the log of the service has the "
        "details "
        "under it."
    )

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra: dict[str, Any] = {
            key: value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
            for key, value in extra.items()
            if value is not None
        }

    def place_in(self, *keys: object) -> None:
        """Say where in a larger document the one with the fault stands, so that `field` points from its
        root.
        """
        self.extra["field"] = pointer(*keys) + self.extra.get("field", "")

    def problem(self) -> Problem:
        """The RFC 9457 problem document of this error."""
        document = {
            "type": PROBLEM_TYPE_PREFIX + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.extra,
        }
        return cast("Problem", document)


class InvalidInput(ServiceError):
    status, code, title = 400, "invalid-input", "The input could not be read"
    remedy = (
        "The bytes are not what they claim to be: broken JSON, a cut-off ONNX file, or another kind of file. "
        "`detail` says where reading stopped."
    )


class UnsupportedMediaType(ServiceError):
    status, code, title = 415, "unsupported-media-type", "This media type is not supported"
    remedy = "Send the `Content-Type` of the body; `supported` lists the supported types."


class LimitExceeded(ServiceError):
    status, code, title = 413, "limit-exceeded", "The input is larger than allowed"
    remedy = (
        "`limit` is the bound and `value` what was sent; `GET /limits` has all bounds. Send ONNX files "
        "without "
        "their weights, or let the operator raise the setting of that name."
    )


class InvalidArchitecture(ServiceError):
    status, code, title = (
        422,
        "invalid-architecture",
        "The architecture was read, but it is not a valid network",
    )
    remedy = "`node` or `field` names the place in the architecture, `hint` what is expected there."


class UnsupportedOperator(InvalidArchitecture):
    code, title = "unsupported-operator", "The architecture uses an operator that is not supported"
    remedy = (
        "`operator` and `node` name it; `GET /operators` lists those that are supported. Replace it, or "
        "remove "
        "the part of the graph that has it."
    )


class NotConnected(InvalidArchitecture):
    """What a benchmark has values for, and a search space holds, although nobody can build it."""


class InvalidRequest(ServiceError):
    status, code, title = 422, "invalid-request", "A field of the request is not acceptable"
    remedy = "`field` is the JSON Pointer of the field, and `errors` lists all fields that are wrong."


class UnknownModel(ServiceError):
    status, code, title = 422, "unknown-model", "There is no such model"
    remedy = "`available` lists the models of this service, as does `GET /models`."


class NotFound(ServiceError):
    status, code, title = 404, "not-found", "Not found"
    remedy = (
        "Check the address. Jobs and weights are kept for a day only unless the operator set more: send the "
        "request again."
    )


class Conflict(ServiceError):
    status, code, title = 409, "conflict", "This conflicts with something that exists already"
    remedy = "Choose another name, or wait until the job that `job` names has ended."


class Unauthorized(ServiceError):
    status, code, title = 401, "unauthorized", "A valid API key is needed"
    remedy = (
        "Send the key in the header `Authorization: Bearer KEY`; on the command line `--api-key` or "
        "`WEIGHTCAST_API_KEY`. The operator of the service issues keys."
    )


class Forbidden(ServiceError):
    status, code, title = 403, "forbidden", "This key may not do that"
    remedy = "`scope` names what the key lacks. Ask the operator for a key that has it."


class TooManyRequests(ServiceError):
    status, code, title = 429, "too-many-requests", "Too many requests"
    remedy = "Wait for `Retry-After` seconds. The Python client does so by itself."


class Unavailable(ServiceError):
    status, code, title = 503, "unavailable", "The service cannot take this work now"
    remedy = (
        "Wait for `Retry-After` seconds. If it lasts, `GET /readyz` says what is missing: Redis, a worker, "
        "or "
        "room on the disk."
    )


class MethodNotAllowed(ServiceError):
    status, code, title = 405, "method-not-allowed", "This method is not supported here"
    remedy = "The header `Allow` lists the methods of this address."


class RequestTimeout(ServiceError):
    status, code, title = 408, "request-timeout", "The request took too long to arrive"
    remedy = "Send it again over a faster connection, or smaller: ONNX files without their weights."


class RangeNotSatisfiable(ServiceError):
    status, code, title = 416, "range-not-satisfiable", "The requested range lies outside the file"
    remedy = (
        "The header `Content-Range` has the size of the file. A finished download needs no further range."
    )


class HttpError(ServiceError):
    """Any other status that the framework raises."""

    code, title = "http-error", "The request could not be served"
    remedy = "`status` and `detail` say what was wrong with the request."


class DamagedFile(ServiceError):
    """A file does not have its digest any more. Raised amid an answer, which is cut by it."""

    code, title = "damaged-file", "A stored file is damaged"
    remedy = "Ask for the weights again: the service computes them anew. If it happens again, check its disk."


class RetriesExhausted(ServiceError):
    code, title = "retries-exhausted", "The job was started several times and did not finish"
    remedy = (
        "Its worker died each time, most often for lack of memory: see the worker's log, send less at once."
    )


class TookTooLong(ServiceError):
    code, title = "time-limit", "The job exceeded the time limit"
    remedy = "Send a smaller architecture or fewer of them, or let the operator raise the limit."


class NotEnoughMemory(ServiceError):
    code, title = "out-of-memory", "The job needs more memory than its worker has"
    remedy = (
        "Send a smaller architecture, or ask for `tiles`; or let the operator give the worker more memory."
    )


class TrainingFailed(ServiceError):
    code, title = "training-failed", "The training ended with an error"
    remedy = "`log` has the last lines of the training."


class TrainingDiverged(ServiceError):
    """Losses are lost. extra: `field`, `step` (of how many `steps`), `epoch`."""

    code, title = "training-diverged", "The training diverged"
    remedy = "Follow `hint`: lower the learning rate, or start from other weights."


class MissingPackage(ServiceError):
    code, title = "missing-dependency", "A part of Weightcast is not installed"
    remedy = "Install the extra that `hint` names."


class WrongSetting(ServiceError):
    code, title = "settings", "A setting is wrong"
    remedy = "Correct the environment variable that `detail` names; docs/configuration.md lists them all."


class UnusableFile(ServiceError):
    code, title = "file", "A file could not be used"
    remedy = "Check that the file exists and that you may read it, or write to its folder."


class CommandFailed(ServiceError):
    code, title = "failed", "The command failed"
    remedy = (
        "`detail` says why. Of a service that cannot be reached: start it, or name its address with `--url`."
    )


def problem_types() -> list[type[ServiceError]]:
    """One class for each `code`, in the order in which they stand here."""
    classes: dict[str, type[ServiceError]] = {ServiceError.code: ServiceError}
    for value in globals().values():
        if isinstance(value, type) and issubclass(value, ServiceError):
            classes.setdefault(value.code, value)
    return list(classes.values())
