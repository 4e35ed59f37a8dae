"""Whether a caller wants the file itself instead of the job that made it, or both."""

from __future__ import annotations


def wants_file(accept: str | None, media_type: str) -> bool:
    """True where `Accept` names the file's media type (or plain bytes) and does not like JSON better.

    Wildcards mean the job: that is what a caller without wishes gets.
    """
    return _prefers(accept, media_type, "application/octet-stream")


def wants_both(accept: str | None) -> bool:
    """True where `Accept` names multipart/mixed, and does not like JSON better: the job and then the file."""
    return _prefers(accept, "multipart/mixed")


def _prefers(accept: str | None, *media_types: str) -> bool:
    qualities = dict.fromkeys(("application/json", *media_types), 0.0)
    for part in (accept or "").lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name in qualities:
            qualities[name] = max(qualities[name], _quality(parameters))
    best = max(qualities[name] for name in media_types)
    return best > 0 and best >= qualities["application/json"]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
