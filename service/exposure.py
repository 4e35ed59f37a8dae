"""Who can reach the service, and whether that is meant."""

from __future__ import annotations

from service.errors import InvalidRequest
from service.settings import Settings


def refuse_open_door(settings: Settings) -> None:
    """A server without keys on a public address would work for anybody; that takes an explicit word.

    Errors: InvalidRequest.
    """
    if settings.is_loopback or settings.allow_anonymous:
        return
    if settings.api_keys is None or not settings.api_keys.get_secret_value().strip(" ,"):
        raise InvalidRequest(
            f"The address {settings.host} can be reached from other machines, and no API keys are set.",
            setting="WEIGHTCAST_API_KEYS",
            hint="Set WEIGHTCAST_API_KEYS, listen on 127.0.0.1, or set WEIGHTCAST_ALLOW_ANONYMOUS=1 behind "
            "a proxy that asks for credentials.",
        )
