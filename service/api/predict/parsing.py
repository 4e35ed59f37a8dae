"""Three ways to send an architecture, one Submission: JSON, a form with a file, or the bytes of an ONNX
file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import anyio.to_thread
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from service.api.kit.request_body import is_json, media_type, parse_json_object, read_body
from service.contract.predict import PredictOptions, PredictRequest
from service.contract.reading import read, read_texts
from service.errors import InvalidInput, InvalidRequest, ServiceError, UnsupportedMediaType
from service.graph_io.json_text import parse_json
from service.graph_io.limits import GraphLimits
from service.graph_io.read import format_of, sniff
from service.graph_io.short_texts import parse_short_text
from service.json_pointer import pointer
from service.kit.json_types import JsonObject
from service.kit.lru import LRU

ONNX_MEDIA_TYPES = ("application/octet-stream", "application/onnx", "application/x-onnx")

_INLINE_HASH_BYTES = 2**20
_REMEMBERED = 5000
_LONGEST_REMEMBERED_NAME = 1000


@dataclass(frozen=True, slots=True)
class Submission:
    """What was asked for. One of these is set: `architecture` (a tagged object), `onnx` (a file's bytes), or
    `body` (a JSON request whose equal was parsed before).

    content: SHA-256 of the architecture as it was sent; equal bytes need not be read again. is_onnx: an ONNX
    model, by itself or in an object. called: what its sender calls the network: in the document, or by the
    name of the file. place: keys from the root of what was sent to the architecture.
    """

    options: PredictOptions
    content: str
    architecture: JsonObject | None = None
    onnx: bytes | None = None
    body: bytes | None = None
    is_onnx: bool = False
    called: str | None = None
    place: tuple[str, ...] = ()

    def document(self, limits: GraphLimits) -> JsonObject:
        """The tagged object; parsed here where `body` is all there is."""
        if self.body is None:
            return self.architecture or {}
        architecture: JsonObject = _architecture_of(parse_json(self.body, limits=limits))
        return architecture


class SubmissionReader:
    """Reads requests. It remembers what JSON bodies asked for, but for their networks: who sends equal bytes
    again is mostly answered without anybody looking at the network, so parsing it would be for nothing.
    """

    def __init__(self, limits: GraphLimits) -> None:
        self._limits = limits
        self._known: LRU[str, Submission] = LRU(_REMEMBERED)

    async def read(self, request: Request) -> Submission:
        """The request as a Submission. UnsupportedMediaType, InvalidInput and InvalidRequest as the parts
        deserve.
        """
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise UnsupportedMediaType(
                f"Bodies with the encoding {encoding[:40]!r} are not read.", hint="Send it uncompressed."
            )
        media = media_type(request)
        if media == "multipart/form-data":
            return await _from_form(request, self._limits)
        if is_json(media):
            return await self._from_json(await read_body(request), request.query_params)
        if media == "" or media in ONNX_MEDIA_TYPES:
            return await _from_file(await read_body(request), dict(request.query_params), self._limits)
        raise UnsupportedMediaType(
            f"The media type {media[:100]!r} is not read here.",
            hint="Send an ONNX file as application/octet-stream "
            "(curl: -H 'Content-Type: application/octet-stream' "
            "--data-binary @model.onnx), a form with a file field `architecture`, or JSON.",
            accepted=["application/json", "multipart/form-data", *ONNX_MEDIA_TYPES],
        )

    async def _from_json(self, body: bytes, query: Mapping[str, str]) -> Submission:
        if query:
            raise InvalidRequest(
                f"The option {next(iter(query))!r} stands in the query of a JSON request.",
                field=pointer(next(iter(query))[:60]),
                hint="Put options next to `architecture` in the body.",
            )
        content = await _sha256(body)
        if (known := self._known.get(content)) is not None:
            return replace(known, body=body)
        document = await parse_json_object(body, self._limits)
        if "architecture" in document:
            document["architecture"] = _architecture_of(document)
        options = _options_of(document)
        submission = _of_document(options, content, document["architecture"], place=("architecture",))
        if len(submission.called or "") <= _LONGEST_REMEMBERED_NAME:
            self._known.put(content, replace(submission, architecture=None))
        return submission


def _options_of(request: JsonObject) -> PredictOptions:
    """InvalidRequest naming every field that is wrong."""
    if isinstance(request.get("architecture"), dict):
        # What is in it is for its reader to check; it may be large.
        request = {**request, "architecture": {}}
    question = read(PredictRequest, request, where="body", strict=True)
    return PredictOptions(**{each.name: getattr(question, each.name) for each in fields(PredictOptions)})


def _of_document(
    options: PredictOptions,
    content: str,
    document: JsonObject,
    *,
    name: str | None = None,
    place: tuple[str, ...],
) -> Submission:
    own = document.get("name")
    return Submission(
        options,
        content,
        architecture=document,
        is_onnx=format_of(document) == "onnx",
        called=own if isinstance(own, str) and own else name,
        place=place,
    )


def _architecture_of(request: JsonObject) -> Any:
    """What stands under `architecture`, a short text as the object that it stands for."""
    architecture = request["architecture"]
    return _short_text(architecture) if isinstance(architecture, str) else architecture


def _short_text(text: str) -> JsonObject:
    """What a short text stands for, such as torchvision:resnet18. InvalidRequest for any other text."""
    try:
        return dict(parse_short_text(text))
    except ServiceError as error:
        raise InvalidRequest(error.detail, field="/architecture", hint=error.extra.get("hint")) from None


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
            return _of_document(options, content, inner, name=name, place=(*place, "architecture"))
        return _of_document(options, content, document, name=name, place=place)
    return Submission(options, content, onnx=data, is_onnx=True, called=name, place=place)


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
