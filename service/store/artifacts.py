"""Files that are named by what they hold: predicted weights, uploaded graphs.

A file appears whole or not at all (written beside its place, synced, renamed), never changes afterwards, and
carries a small JSON file with its size and SHA-256. Names are `<hex digest>.<extension>`: nothing a user
types ever becomes a path.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from service.errors import InvalidRequest, NotFound, Unavailable
from service.kit.whole_file import whole_file, write_whole

_NAME = re.compile(r"[0-9a-f]{16,64}(\.[a-z0-9]{1,16}){1,2}")
_SIDECAR = ".meta"
_MEASURED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Artifact:
    """name, size in bytes, sha256 of the content (hex)."""

    name: str
    size: int
    sha256: str


class _SizeEstimate:
    """How many bytes the folder holds, by what was measured last and has been added by this process since.

    Measuring looks at every file: with thousands of them, that may not happen at each new one. What others
    add is unknown for some seconds, in which the folder may grow beyond its limit.
    """

    def __init__(self) -> None:
        self._total = 0
        self._until = 0.0

    def measured(self, total: int) -> None:
        self._total, self._until = total, time.monotonic() + _MEASURED_SECONDS

    def may_exceed(self, max_bytes: int, added: int) -> bool:
        """Whether to measure, now that so many bytes were added."""
        self._total += added
        return self._total > max_bytes or time.monotonic() > self._until


class ArtifactStore:
    """A folder of immutable files, shared by the API and all workers.

    max_bytes: when the folder holds more, the longest unused files go; 0 keeps everything.
    """

    def __init__(self, root: Path | str, *, max_bytes: int = 0) -> None:
        self.root = Path(root)
        self.max_bytes = max_bytes
        self._size = _SizeEstimate()
        self._looking = threading.Lock()

    def put_file(self, name: str, writer: Callable[[BinaryIO], object], *, durable: bool = True) -> Artifact:
        """Let `writer` fill a new file, then publish it under `name`. A file that is there already is kept.

        A writer may return an object with the hex digest of what it wrote as `sha256`; else the file is read
        again. durable: False for what can be computed again. A loss of power may damage it then, which its
        digest shows.

        Errors: Unavailable when the disk is full; whatever `writer` raises (nothing is left behind then).
        """
        path = self._place(name)
        if (known := self._described(name)) is not None:
            return known
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            artifact = self._write(path, name, writer, durable)
        except OSError as error:
            raise Unavailable(
                "the artifact folder cannot be written",
                reason=error.strerror,
                retry_after=30,
                hint="the operator should look at the space and the rights of WEIGHTCAST_ARTIFACT_DIR",
            ) from error
        if self.max_bytes and self._size.may_exceed(self.max_bytes, artifact.size):
            self.evict(keep=name)
        return artifact

    def put_bytes(self, name: str, data: bytes, *, durable: bool = True) -> Artifact:
        return self.put_file(name, lambda file: file.write(data), durable=durable)

    def put_content(self, data: bytes, extension: str) -> Artifact:
        """Store bytes under their own SHA-256: `<sha256>.<extension>`."""
        return self.put_bytes(f"{hashlib.sha256(data).hexdigest()}.{extension}", data)

    def path(self, name: str) -> Path:
        """Where the file lies. Errors: InvalidRequest for a name that is not ours, NotFound when it is not
        there.
        """
        path = self._place(name)
        if not path.is_file():
            raise NotFound(f"there is no file {name}", hint="it may have expired: ask for the weights again")
        with suppress(OSError):  # its use keeps it from eviction; on a read-only mount it merely does not
            os.utime(path)
        return path

    def read_bytes(self, name: str) -> bytes:
        return self.path(name).read_bytes()

    def find(self, name: str) -> Artifact | None:
        """Size and digest, or None when the file is not there or its description is not readable."""
        return self._described(name)

    def _described(self, name: str) -> Artifact | None:
        path = self._place(name)
        try:
            fields = json.loads(_sidecar(path).read_bytes())
            if path.stat().st_size != fields["size"]:
                return None
            return Artifact(name=name, size=fields["size"], sha256=fields["sha256"])
        except (OSError, ValueError, KeyError):
            return None

    def stat(self, name: str) -> Artifact:
        """Like `find`. Errors: NotFound."""
        artifact = self.find(name)
        if artifact is None:
            raise NotFound(f"there is no file {name}", hint="it may have expired: ask for the weights again")
        return artifact

    def delete(self, name: str) -> bool:
        """Whether it was there."""
        return self._forget(name)

    def _forget(self, name: str) -> bool:
        path = self._place(name)
        there = path.is_file()
        path.unlink(missing_ok=True)
        _sidecar(path).unlink(missing_ok=True)
        return there

    def total_bytes(self) -> int:
        return sum(size for _, size, _ in self._files())

    def free_bytes(self) -> int:
        """Space left on the disk of the folder, in bytes."""
        folder = self.root
        while not folder.exists():
            folder = folder.parent
        stat = os.statvfs(folder)
        return stat.f_bavail * stat.f_frsize

    def evict(self, *, keep: str = "") -> list[str]:
        """Delete the longest unused files until `max_bytes` holds again (and nine tenths of it, to do this
        rarely). Nothing while another thread is at it: forty that look at all files at once would take
        seconds, and the memory of as many lists.
        """
        if not self._looking.acquire(blocking=False):
            return []
        try:
            return self._evict(keep)
        finally:
            self._looking.release()

    def _evict(self, keep: str) -> list[str]:
        total = self.total_bytes()
        gone: list[str] = []
        # A list of all files takes memory: it is made only where some must go.
        for _, size, name in sorted(self._files()) if total > self.max_bytes else ():
            if total <= self.max_bytes * 0.9:
                break
            if name != keep:
                self._forget(name)
                gone.append(name)
                total -= size
        self._size.measured(total)
        return gone

    def _write(self, path: Path, name: str, writer: Callable[[BinaryIO], object], durable: bool) -> Artifact:
        with whole_file(path, durable=durable) as temporary:
            with temporary.open("wb") as file:
                written = writer(file)
            # A writer that hashes what it writes says so, and spares reading it all again.
            sha256 = getattr(written, "sha256", None) or _sha256_of(temporary)
            artifact = Artifact(name=name, size=temporary.stat().st_size, sha256=sha256)
            # The description first: a reader that sees the file finds its description too.
            write_whole(_sidecar(path), json.dumps(asdict(artifact)))
        return artifact

    def _place(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvalidRequest("not the name of a file of this service", field="/name")
        # Two hex digits of folders keep directories short.
        return self.root / name[:2] / name

    def _files(self) -> Iterator[tuple[float, int, str]]:
        """(time of last use, size in bytes, name) of every file."""
        for entry in self.root.glob("??/*"):
            if entry.suffix != _SIDECAR and not entry.name.startswith("."):
                with suppress(FileNotFoundError):
                    stat = entry.stat()
                    yield stat.st_mtime, stat.st_size, entry.name


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + _SIDECAR)
