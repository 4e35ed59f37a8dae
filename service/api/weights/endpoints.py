"""GET and HEAD /weights/{digest}.{extension}."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from service.api.auth import require
from service.api.keys import Principal
from service.api.kit.openapi import BINARY, problems
from service.api.services import Injected
from service.api.weights.answer import weights_response
from service.api.weights.files import MEDIA_TYPES
from service.errors import NotFound, RangeNotSatisfiable

router = APIRouter(tags=["weights"])

WEIGHTS_NAME_PATTERN = r"^[0-9a-f]{64}\.(safetensors|tiles\.safetensors|onnx|npz)$"

_HEADERS = {
    "ETag": {"schema": {"type": "string"}, "description": "SHA-256 of the file."},
    "Accept-Ranges": {"schema": {"type": "string", "const": "bytes"}},
    "Repr-Digest": {"schema": {"type": "string"}, "description": "RFC 9530."},
}
_FILE = {
    "description": "The file.",
    "headers": _HEADERS,
    "content": {media: {"schema": BINARY} for media in dict.fromkeys(MEDIA_TYPES.values())},
}


@router.api_route(
    "/weights/{name}",
    methods=["GET"],
    operation_id="getWeights",
    summary="Download predicted weights",
    response_class=Response,
    responses={
        200: _FILE,
        206: {**_FILE, "description": "The part that `Range` asked for."},
        304: {"description": "The file you have is the right one."},
        **problems(NotFound, RangeNotSatisfiable),
    },
)
@router.api_route("/weights/{name}", methods=["HEAD"], include_in_schema=False)
async def get_weights(
    request: Request,
    services: Injected,
    caller: Annotated[Principal, Depends(require("predict"))],
    name: Annotated[
        str,
        Path(
            pattern=WEIGHTS_NAME_PATTERN,
            description="`<digest>.<extension>`, as in the result's `weights.url`.",
            examples=["5f0c" * 16 + ".safetensors"],
        ),
    ],
    filename: Annotated[
        str | None, Query(max_length=200, description="Name to save the file under; the extension is kept.")
    ] = None,
) -> Response:
    """The file never changes: cache it for ever. One `Range` is served, so that single tensors can be
    fetched.
    """
    return await weights_response(request, services, name, filename=filename)
