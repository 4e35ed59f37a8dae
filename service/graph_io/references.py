"""What documents hold that refer to a network rather than describe one: a file as text, a name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from service.graph_io.document_model import MAX_IMAGE_SIZE, Name, NumClasses, document_model


@document_model
class OnnxDocument:
    """An ONNX model."""

    format: Literal["onnx"] = "onnx"
    data: Annotated[
        str,
        Field(
            description="The file as base64 text. Weights are not needed.",
            json_schema_extra={"contentEncoding": "base64"},
        ),
    ]
    name: Name = ""


@document_model
class TorchvisionDocument:
    """A network of torchvision by name, built on the worker."""

    format: Literal["torchvision"] = "torchvision"
    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]
    num_classes: NumClasses | None = None
    image_size: Annotated[
        Annotated[int, Field(ge=1, le=MAX_IMAGE_SIZE)] | None, Field(description="Pixels a side.")
    ] = None
