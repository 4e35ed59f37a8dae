"""The text of a file, whatever it is packed or encoded as."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import IO

from service.errors import LimitExceeded

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_MOST_BYTES = 2**30
# What tables and JSON have none of.
_CONTROL = frozenset(range(32)) - {*b"\t\n\r\f\x1a"}


def unpacked(data: bytes) -> bytes:
    """What a gzip file holds, or a zip file of one file; anything else as it is.

    Raises LimitExceeded for one that holds more than a GiB.
    """
    if data.startswith(_GZIP):
        try:
            return _limited(gzip.GzipFile(fileobj=io.BytesIO(data)))
        except (OSError, EOFError, zlib.error):
            return data
    if data.startswith(_ZIP):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                members = [name for name in archive.namelist() if _is_content(name)]
                if len(members) == 1:
                    with archive.open(members[0]) as member:
                        return _limited(member)
        except (zipfile.BadZipFile, OSError, RuntimeError, zlib.error):
            return data
    return data


def text_of(data: bytes) -> str | None:
    """Text in UTF-8, in UTF-16 as spreadsheets save it, or of Windows; None for what is no text."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if _CONTROL & {*data}:
            return None
        text = data.decode("cp1252", errors="replace")
    return None if "\0" in text else text


def _limited(file: gzip.GzipFile | IO[bytes]) -> bytes:
    content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise LimitExceeded("The file holds more than 1 GiB.", limit=_MOST_BYTES, value=len(content))
    return content


def _is_content(name: str) -> bool:
    """No folder, and nothing that a Mac leaves behind."""
    parts = PurePosixPath(name).parts
    return not name.endswith("/") and not any(part.startswith(".") or part == "__MACOSX" for part in parts)
