"""Files that a client has got already, so that a request which it repeats brings its answer alone."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

# Tiles of a network are a few MB; files that are larger are fetched each time.
_LARGEST_BYTES = 8 * 2**20
_MOST_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class KeptFile:
    """sha256: of the bytes, hexadecimal."""

    sha256: str
    body: bytes


@dataclass(slots=True)
class KeptFiles:
    """Of the last requests, `_MOST_BYTES` at most. Threads may share one."""

    _files: OrderedDict[bytes, KeptFile] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, content: bytes | None) -> KeptFile | None:
        """What came of a request with this body; it counts as the last one then."""
        key = _key(content)
        with self._lock:
            file = self._files.get(key)
            if file is not None:
                self._files.move_to_end(key)
            return file

    def keep(self, content: bytes | None, sha256: str | None, body: bytearray) -> None:
        """sha256: of the body, which was checked against it; without one nothing is kept."""
        if sha256 is None or len(body) > _LARGEST_BYTES:
            return
        # A copy: who has the weights may change their numbers in place.
        file = KeptFile(sha256, bytes(body))
        with self._lock:
            self._files[_key(content)] = file
            while sum(len(each.body) for each in self._files.values()) > _MOST_BYTES:
                self._files.popitem(last=False)


def _key(content: bytes | None) -> bytes:
    return hashlib.sha256(content or b"").digest()
