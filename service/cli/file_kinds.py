"""What a file looks like that holds no records, in the words of whoever made it."""

from __future__ import annotations

import re

_MAGIC = (
    (b"PK\x03\x04", "a zip archive of several files (a spreadsheet, an .npz or a torch checkpoint)"),
    (b"\x1f\x8b", "a damaged gzip file"),
    (b"\x80", "a pickle of Python, which is never opened"),
    (b"\x89HDF", "an HDF5 file"),
    (b"PAR1", "a Parquet file"),
    (b"\x93NUMPY", "a file of numpy"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet (.xls): save it as CSV"),
    (b"%PDF", "a PDF"),
)
_TEXTS = (
    (re.compile(r"\s*<(!DOCTYPE|html|\?xml|[a-z]+[ >])", re.IGNORECASE), "HTML or XML"),
    (re.compile(r"\s*[\[{(]\s*'"), "Python values as print() writes them: write them with json.dumps"),
    (re.compile(r"\s*(---\s|- |[A-Za-z_][\w-]*:\s)"), "YAML"),
    (re.compile(r"[^\n]*,[^\n]*\d"), "CSV without a header that names an architecture and a value"),
    (re.compile(r"[^\n]*[,;\t]"), "CSV whose header names no column of architectures"),
)


def binary_kind(data: bytes) -> str | None:
    """None where the first bytes are none that we know."""
    return next((kind for start, kind in _MAGIC if data.startswith(start)), None)


def text_kind(text: str) -> str:
    for pattern, kind in _TEXTS:
        if pattern.match(text):
            return kind
    return "plain text"
