"""The API keys of a server: where they are written, and whose a presented key is.

They come from WEIGHTCAST_API_KEYS (entries separated by commas) and from the file WEIGHTCAST_API_KEYS_FILE
(an entry per line, `#` starts a comment). An entry is `SECRET` or `SECRET:scope+scope`; SECRET is the key
itself or `sha256$HEX`, its hash, so that the key need not be written down anywhere. Only hashes are kept in
memory, and every comparison takes the same time for every key. Keys are long random strings, so a fast hash
is the right one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from service.errors import WrongSetting
from service.settings import Settings

Scope = Literal["predict", "train", "metrics", "admin"]
SCOPES: frozenset[str] = frozenset({"predict", "train", "metrics", "admin"})
DEFAULT_SCOPES = frozenset({"predict", "train"})

LOOK_SECONDS = 1.0
"""How often the file is looked at, so that keys can be rotated without a restart."""

log = structlog.get_logger("weightcast.api")

_HASHED = re.compile(r"sha256\$([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking. id: stable and harmless to log; it owns jobs and is what limits count."""

    id: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes


@dataclass(frozen=True, slots=True)
class _Key:
    digest: bytes
    principal: Principal


class KeyRing:
    """The keys of this server. Without any it is open: everybody may do everything.

    Raises WrongSetting for an entry or a file that cannot be read, and for a file without keys: a server must
    not start with half its keys. A file that is changed to something unreadable later leaves the keys as they
    were.
    """

    def __init__(self, entries: str | None = None, file: Path | None = None) -> None:
        self._fixed = _parse_keys((entries or "").split(","), "WEIGHTCAST_API_KEYS")
        self._file = file
        self._from_file: tuple[_Key, ...] = ()
        self._seen: tuple[int, int] | None = None
        self._looked = time.monotonic()
        if file is not None:
            self._from_file, self._seen = _read_keys(file)

    @classmethod
    def from_settings(cls, settings: Settings) -> KeyRing:
        entries = settings.api_keys.get_secret_value() if settings.api_keys else None
        return cls(entries, settings.api_keys_file)

    @property
    def is_open(self) -> bool:
        return not self._fixed and self._file is None

    def find(self, presented: str) -> Principal | None:
        """The owner of a key. Every stored key is compared, so the time tells nothing about which one
        fits.
        """
        self._look_at_the_file()
        digest = hashlib.sha256(presented.encode()).digest()
        owner: Principal | None = None
        for key in (*self._fixed, *self._from_file):
            if hmac.compare_digest(key.digest, digest):
                owner = key.principal
        return owner

    def _look_at_the_file(self) -> None:
        if self._file is None or time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            if _version(self._file) != self._seen:
                self._from_file, self._seen = _read_keys(self._file)
                log.info("keys.read", file=str(self._file), keys=len(self._from_file))
        except (OSError, WrongSetting) as error:
            log.error("keys.unreadable", file=str(self._file), reason=str(error))


def _version(file: Path) -> tuple[int, int]:
    """Follows links, so that a secret that Kubernetes replaces by a new link is seen."""
    facts = file.stat()
    return facts.st_mtime_ns, facts.st_ino


def _read_keys(file: Path) -> tuple[tuple[_Key, ...], tuple[int, int]]:
    """The keys, and the version of the file that they are of."""
    try:
        version, lines = _version(file), file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise _wrong(f"The file of keys {file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise _wrong(f"The file of keys {file} is not text in UTF-8.") from error
    keys = _parse_keys([line.partition("#")[0] for line in lines], str(file))
    if not keys:
        raise _wrong(f"There is no key in the file of keys {file}.")
    return keys, version


def _parse_keys(entries: Sequence[str], origin: str) -> tuple[_Key, ...]:
    return tuple(
        _parse_key(entry.strip(), f"Entry {number} of {origin}")
        for number, entry in enumerate(entries, start=1)
        if entry.strip()
    )


def _parse_key(entry: str, place: str) -> _Key:
    secret, _, listed = entry.partition(":")
    scopes = frozenset(part.strip() for part in listed.split("+") if part.strip()) or DEFAULT_SCOPES
    if not scopes <= SCOPES:
        # What stands there is not shown: it may be part of a secret with a colon.
        raise _wrong(f"{place} has an unknown scope; there are {', '.join(sorted(SCOPES))}.")
    if not secret:
        raise _wrong(f"{place} has no key.")
    hashed = _HASHED.fullmatch(secret)
    digest = bytes.fromhex(hashed.group(1)) if hashed else hashlib.sha256(secret.encode()).digest()
    return _Key(digest, Principal(f"key-{digest.hex()[:12]}", scopes))


def _wrong(detail: str) -> WrongSetting:
    return WrongSetting(detail, hint="An entry is KEY or KEY:scope+scope; docs/configuration.md says more.")
