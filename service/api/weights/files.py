"""An artifact as an HTTP answer: HEAD, one Range, strong ETag, 304, immutable.

A file is named by the digest of its request and never changes, so caches may keep it for ever. Its ETag is
the SHA-256 of its bytes, which `Repr-Digest` (RFC 9530) repeats for clients that check what they received.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import BinaryIO
from urllib.parse import quote

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from service.api.errors import error_response
from service.api.kit.tagged import etag_matches
from service.api.weights.ranges import ByteRange, parse_range
from service.errors import DamagedFile, RangeNotSatisfiable

MEDIA_TYPES = {
    "safetensors": "application/vnd.safetensors",
    "tiles.safetensors": "application/vnd.safetensors",
    "onnx": "application/onnx",
    "npz": "application/x-npz",
}
CHUNK_BYTES = 2**20
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def content_disposition(filename: str) -> str:
    """`attachment` with a name that no browser, shell or file system trips over (RFC 6266)."""
    base, dot, suffix = filename.rpartition(".")
    plain = _UNSAFE.sub("_", base if dot else filename).strip("._")[:100] or "weights"
    name = f"{plain}.{_UNSAFE.sub('', suffix)}" if dot else plain
    exact = quote("".join(c for c in filename if c.isprintable() and c not in '/\\"')[:150], safe="")
    extended = f"; filename*=UTF-8''{exact}" if exact != quote(name, safe="") else ""
    return f'attachment; filename="{name}"{extended}'


def file_response(
    request: Request,
    file: BinaryIO,
    *,
    media_type: str,
    sha256: str,
    filename: str,
    check: Callable[[bool], None] | None = None,
) -> Response:
    """Answer a GET or HEAD for an open file, honouring If-None-Match, Range and If-Range. The file is closed
    in the end.

    check: compare a file that is sent whole with `sha256`, and call this with the outcome, in a thread. The
    answer of a file that fails is cut before its end, so that nobody takes it for the file.
    """
    try:
        size = os.fstat(file.fileno()).st_size
        etag = f'"{sha256}"'
        headers = {
            "ETag": etag,
            "Cache-Control": "private, max-age=31536000, immutable",
            "Accept-Ranges": "bytes",
            "Content-Disposition": content_disposition(filename),
            "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:",
            "Vary": "Accept",
        }
        if request.method in ("GET", "HEAD") and etag_matches(
            request.headers.get("if-none-match"), etag, weak=True
        ):
            file.close()
            return Response(status_code=304, headers=headers)
        part = _part_of(request, etag, size)
        if request.method == "HEAD":
            file.close()
            return Response(
                status_code=200, headers={**headers, "Content-Length": str(size)}, media_type=media_type
            )
        if part is None:
            part, status = ByteRange(0, size, size), 200
        else:
            status = 206
            headers["Content-Range"] = part.content_range
        headers["Content-Length"] = str(part.length)
        whole = part.length == size
        body = whole_file_chunks(file, size, sha256, check) if whole else _read_ahead(file, part)
        return StreamingResponse(body, status_code=status, headers=headers, media_type=media_type)
    except RangeNotSatisfiable as error:
        file.close()
        return error_response(error, request, {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"})
    except BaseException:
        file.close()
        raise


def _part_of(request: Request, etag: str, size: int) -> ByteRange | None:
    if_range = request.headers.get("if-range")
    if request.method != "GET" or (if_range is not None and not etag_matches(if_range, etag, weak=False)):
        return None
    return parse_range(request.headers.get("range"), size)


def whole_file_chunks(
    file: BinaryIO, size: int, sha256: str, check: Callable[[bool], None] | None
) -> AsyncGenerator[bytes, None]:
    """An open file to its end, and closed then. check: see `file_response`. Errors: DamagedFile."""
    whole = ByteRange(0, size, size)
    return _read_ahead(file, whole) if check is None else _checked(file, whole, sha256, check)


async def _checked(
    file: BinaryIO, whole: ByteRange, sha256: str, check: Callable[[bool], None]
) -> AsyncGenerator[bytes, None]:
    """The chunks of a file; the last one is held back until the digest of all is known.

    Errors: DamagedFile.
    """
    digest, last = hashlib.sha256(), b""
    async with aclosing(_read_ahead(file, whole, digest.update)) as chunks:
        async for chunk in chunks:
            if last:
                yield last
            last = chunk
    is_whole = digest.hexdigest() == sha256
    await anyio.to_thread.run_sync(check, is_whole)
    if not is_whole:
        raise DamagedFile("the file does not have its digest any more", sha256=sha256)
    yield last


async def _read_ahead(
    file: BinaryIO, part: ByteRange, look_at: Callable[[bytes], None] | None = None
) -> AsyncGenerator[bytes, None]:
    """The chunks of a part of a file. While one is sent, a thread reads the next one and calls `look_at`."""

    def read(count: int) -> bytes:
        chunk = file.read(count)
        if look_at is not None:
            look_at(chunk)
        return chunk

    def start() -> asyncio.Future[bytes]:
        return asyncio.get_running_loop().run_in_executor(None, read, min(CHUNK_BYTES, left))

    left = part.length
    ahead: asyncio.Future[bytes] | None = None
    try:
        file.seek(part.start)
        ahead = start() if left else None
        while ahead is not None and (chunk := await ahead):
            left -= len(chunk)
            ahead = start() if left else None
            yield chunk
    finally:
        if ahead is not None:
            ahead.cancel()
        file.close()
