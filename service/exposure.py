"""Who can reach the service, and whether that is meant."""

from __future__ import annotations

from service.errors import InvalidRequest
from service.settings import Settings


def refuse_open_door(settings: Settings) -> None:
    """A server without keys on a public address would work for anybody; that takes an explicit word.

    Errors: InvalidRequest.
    """
    has_keys = settings.api_keys_file is not None or (
        settings.api_keys is not None and settings.api_keys.get_secret_value().strip(" ,")
    )
    if "*" in settings.origins and not has_keys:
        raise InvalidRequest(
            "Without API keys any page in anybody's browser could use this service.",
            setting="WEIGHTCAST_CORS_ORIGINS",
            hint="Set WEIGHTCAST_API_KEYS, or name the origins instead of `*`.",
        )
    if settings.is_loopback or settings.allow_anonymous:
        return
    if not has_keys:
        raise InvalidRequest(
            f"The address {settings.host} can be reached from other machines, and no API keys are set.",
            setting="WEIGHTCAST_API_KEYS",
            hint="Set WEIGHTCAST_API_KEYS or WEIGHTCAST_API_KEYS_FILE, listen on 127.0.0.1, or set "
            "WEIGHTCAST_ALLOW_ANONYMOUS=1 behind a proxy that asks for credentials.",
        )
