"""Three ways to send an architecture, one Submission: JSON, a form with a file, or the bytes of an ONNX
file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import anyio.to_thread
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from service.api.kit.request_body import is_json, media_type, parse_json_object, read_body
from service.api.services import services_of
from service.contract.predict import PredictOptions, PredictRequest
from service.contract.reading import read, read_texts
from service.errors import InvalidInput, InvalidRequest, ServiceError, UnsupportedMediaType
from service.graph_io.limits import GraphLimits
from service.graph_io.read import sniff
from service.graph_io.short_texts import parse_short_text
from service.json_pointer import pointer
from service.kit.json_types import JsonObject

ONNX_MEDIA_TYPES = ("application/octet-stream", "application/onnx", "application/x-onnx")

_INLINE_HASH_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Submission:
    """What was asked for. Either `architecture` (a tagged object) or `onnx` (a file's bytes) is set.

    content: SHA-256 of the architecture as it was sent; equal bytes need not be read again. name: of the
    file, where its sender gave it one. place: keys from the root of what was sent to the architecture.
    """

    options: PredictOptions
    content: str
    architecture: JsonObject | None = None
    onnx: bytes | None = None
    name: str | None = None
    place: tuple[str, ...] = ()

    @property
    def called(self) -> str | None:
        """What its sender calls the network: in the document, or by the name of the file."""
        named = (self.architecture or {}).get("name")
        return named if isinstance(named, str) and named else self.name


async def read_submission(request: Request) -> Submission:
    """The request as a Submission. UnsupportedMediaType, InvalidInput and InvalidRequest as the parts
    deserve.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedMediaType(
            f"Bodies with the encoding {encoding[:40]!r} are not read.", hint="Send it uncompressed."
        )
    media, limits = media_type(request), services_of(request).graph_limits
    if media == "multipart/form-data":
        return await _from_form(request, limits)
    if is_json(media):
        return await _from_json(await read_body(request), request.query_params, limits)
    if media == "" or media in ONNX_MEDIA_TYPES:
        return await _from_file(await read_body(request), dict(request.query_params), limits)
    raise UnsupportedMediaType(
        f"The media type {media[:100]!r} is not read here.",
        hint="Send an ONNX file as application/octet-stream "
        "(curl: -H 'Content-Type: application/octet-stream' "
        "--data-binary @model.onnx), a form with a file field `architecture`, or JSON.",
        accepted=["application/json", "multipart/form-data", *ONNX_MEDIA_TYPES],
    )


def _short_text(text: str) -> JsonObject:
    """What a short text stands for, such as torchvision:resnet18. InvalidRequest for any other text."""
    try:
        return dict(parse_short_text(text))
    except ServiceError as error:
        raise InvalidRequest(error.detail, field="/architecture", hint=error.extra.get("hint")) from None


async def _from_json(body: bytes, query: Mapping[str, str], limits: GraphLimits) -> Submission:
    if query:
        raise InvalidRequest(
            f"The option {next(iter(query))!r} stands in the query of a JSON request.",
            field=pointer(next(iter(query))[:60]),
            hint="Put options next to `architecture` in the body.",
        )
    document = await parse_json_object(body, limits)
    if isinstance(text := document.get("architecture"), str):
        document["architecture"] = _short_text(text)
    options = read(PredictRequest, document, where="body", strict=True)
    return Submission(
        options, await _sha256(body), architecture=options.architecture, place=("architecture",)
    )


async def _from_file(
    data: bytes,
    fields: Mapping[str, str],
    limits: GraphLimits,
    *,
    where: str = "query",
    name: str | None = None,
    place: tuple[str, ...] = (),
) -> Submission:
    """A file by its content, whatever its name or media type says."""
    options = read_texts(PredictOptions, fields, where=where)
    content = await _sha256(data)
    if sniff(data) == "json":
        document = await parse_json_object(data, limits)
        # A file may hold an architecture alone, or a whole request.
        inner = document.get("architecture")
        if isinstance(inner, dict):
            return Submission(options, content, architecture=inner, name=name, place=(*place, "architecture"))
        return Submission(options, content, architecture=document, name=name, place=place)
    return Submission(options, content, onnx=data, name=name, place=place)


async def _from_form(request: Request, limits: GraphLimits) -> Submission:
    try:
        form = await request.form(max_files=1, max_fields=16, max_part_size=1024 * 1024)
    except HTTPException as error:
        raise InvalidInput(
            f"The form could not be read: {error.detail}", hint="Send multipart/form-data."
        ) from None
    try:
        fields: dict[str, str] = {}
        data: bytes | None = None
        file_name: str | None = None
        for name, value in form.multi_items():
            if name == "architecture":
                if isinstance(value, UploadFile):
                    data, file_name = await value.read(), value.filename
                else:
                    data = value.encode()
            elif isinstance(value, UploadFile):
                raise InvalidRequest(
                    f"The form has a file {name[:60]!r}.",
                    field=pointer(name[:60]),
                    hint="Name it `architecture`.",
                )
            elif name in fields:
                raise InvalidRequest(f"The field {name[:60]!r} is given twice.", field=pointer(name[:60]))
            else:
                fields[name] = value
    finally:
        await form.close()
    if data is None:
        raise InvalidRequest(
            "The form has no file `architecture`.",
            field="/architecture",
            hint="curl: -F architecture=@model.onnx",
        )
    options = {**request.query_params, **fields}
    return await _from_file(data, options, limits, where="form", name=file_name, place=("architecture",))


async def _sha256(data: bytes) -> str:
    if len(data) <= _INLINE_HASH_BYTES:
        return hashlib.sha256(data).hexdigest()
    return await anyio.to_thread.run_sync(lambda: hashlib.sha256(data).hexdigest())
