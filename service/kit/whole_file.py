"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(target: Path, *, durable: bool = False) -> Iterator[Path]:
    """A path beside `target` to write to; the file takes its place at the end of the block. An error leaves
    what was there before, and nothing else.

    durable: on the disk before it appears, so that it outlives a loss of power.

    The folder must exist. Rights are those of any new file of this process, whatever writes to the path.
    Raises what the block raises, and OSError if the file cannot be written or put in its place.
    """
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    # The kernel applies the umask; asking the process for it would set it for an instant, for all threads.
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    mode = os.fstat(descriptor).st_mode & 0o777
    os.close(descriptor)
    try:
        yield temporary
        # Some writers make a new file at the path, for its owner alone.
        temporary.chmod(mode)
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_whole(target: Path, content: bytes | str, *, durable: bool = False) -> Path:
    """Write a file whole (`whole_file`); text as UTF-8. Returns `target`."""
    with whole_file(target, durable=durable) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    return target
