"""Predicting the weights of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NotRequired

from typing_extensions import TypedDict

from service.contract.fields import Document, option
from service.contract.options import MODEL_NAME, Options

Dtype = Literal["float32", "float16", "bfloat16"]
Output = Literal["safetensors", "tiles", "onnx", "npz"]
# Endings of the files.
EXTENSIONS: dict[str, str] = {
    "safetensors": "safetensors",
    "tiles": "tiles.safetensors",
    "onnx": "onnx",
    "npz": "npz",
}


@dataclass(frozen=True, kw_only=True)
class PredictOptions(Options):
    """Options of a prediction: body fields of JSON and multipart requests, query parameters of a raw
    upload.
    """

    model: str | None = field(
        default=None,
        metadata=option(
            "Name of the GHN; GET /models lists them. Default: the server's.",
            pattern=MODEL_NAME, examples=["ghn2-cifar10"],
        ),
    )  # fmt: skip
    dtype: Dtype = field(default="float32", metadata=option("Number format of the weights."))
    output: Output = field(
        default="safetensors",
        metadata=option(
            "Format of the file: `safetensors` (every tensor in full), `tiles` (distinct blocks; small), "
            "`onnx` "
            "(the uploaded ONNX model with its weights filled in), `npz` (NumPy)."
        ),
    )
    include_classifier: bool = field(
        default=True,
        metadata=option(
            "Whether the last layer is predicted too; false gives it the standard initialisation."
        ),
    )


@dataclass(frozen=True, kw_only=True)
class PredictRequest(PredictOptions):
    """A network whose weights are predicted."""

    architecture: Document = field(metadata=option("The network, without weights."))


class PredictPayload(TypedDict):
    """What travels to the worker. graph: artifact of the graph's document; torchvision instead of it, with
    `traced`, the artifact to leave its graph in. source_onnx: artifact of the ONNX file, for that output.
    digest: of the request; names the file. from_onnx: whether an exporter made the graph.
    """

    graph: str | None
    from_onnx: NotRequired[bool]
    source_onnx: str | None
    torchvision: Mapping[str, object] | None
    traced: str | None
    model: str
    model_digest: str
    dtype: Dtype
    output: Output
    include_classifier: bool
    digest: str
