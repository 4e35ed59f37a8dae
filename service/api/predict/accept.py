"""Whether a caller wants the file itself instead of the job that made it."""

from __future__ import annotations


def wants_file(accept: str | None, media_type: str) -> bool:
    """True where `Accept` names the file's media type (or plain bytes) and does not like JSON better.

    Wildcards mean the job: that is what a caller without wishes gets.
    """
    qualities = {"application/json": 0.0, media_type: 0.0, "application/octet-stream": 0.0}
    for part in (accept or "").lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name in qualities:
            qualities[name] = max(qualities[name], _quality(parameters))
    file_quality = max(qualities[media_type], qualities["application/octet-stream"])
    return file_quality > 0 and file_quality >= qualities["application/json"]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
