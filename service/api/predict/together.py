"""A finished prediction and its file in one answer, for callers who would ask for the file next.

multipart/mixed (RFC 2046): the job as JSON, then the bytes of the file, each with its length.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio.to_thread
from starlette.responses import Response, StreamingResponse

from service.api.services import Services
from service.api.weights.answer import open_weights
from service.api.weights.files import MEDIA_TYPES, whole_file_chunks
from service.store.records import Job

MEDIA_TYPE = "multipart/mixed"
MOST_BYTES = 8 * 2**20
"""A larger file is fetched by itself: a download that breaks off goes on where it stopped."""


async def job_with_file(services: Services, job: Job, name: str, headers: dict[str, str]) -> Response | None:
    """200 with both; None where the file is large. NotFound where it is not stored."""
    artifact, file = await anyio.to_thread.run_sync(open_weights, services.artifacts, name)
    if artifact.size > MOST_BYTES:
        file.close()
        return None
    # Not in the job, whose JSON has no line breaks, and not in a file that its own digest names.
    boundary = f"weightcast-{artifact.sha256[:40]}"
    text = job.model_dump_json().encode()
    head = b"".join(
        (
            _part(boundary, {"Content-Type": "application/json", "Content-Length": len(text)}),
            text,
            b"\r\n",
            _part(
                boundary,
                {
                    "Content-Type": MEDIA_TYPES[name.partition(".")[2]],
                    "Content-Length": artifact.size,
                    "Content-Location": f"/weights/{name}",
                    "ETag": f'"{artifact.sha256}"',
                },
            ),
        )
    )
    tail = f"\r\n--{boundary}--\r\n".encode()
    chunks = whole_file_chunks(file, artifact.size, artifact.sha256, services.integrity.check_of(name))
    return StreamingResponse(
        _joined(head, chunks, tail),
        headers={**headers, "Content-Length": str(len(head) + artifact.size + len(tail))},
        media_type=f'{MEDIA_TYPE}; boundary="{boundary}"',
    )


def _part(boundary: str, headers: dict[str, str | int]) -> bytes:
    lines = [f"--{boundary}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


async def _joined(
    head: bytes, chunks: AsyncGenerator[bytes, None], tail: bytes
) -> AsyncGenerator[bytes, None]:
    yield head
    async for chunk in chunks:
        yield chunk
    yield tail
