"""What a prediction request says beside its architecture, and what its answer holds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.architectures import Document

Dtype = Literal["float32", "float16", "bfloat16"]
Output = Literal["safetensors", "tiles", "onnx", "npz"]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]

EXTENSIONS: dict[str, str] = {
    "safetensors": "safetensors",
    "tiles": "tiles.safetensors",
    "onnx": "onnx",
    "npz": "npz",
}


class PredictOptions(BaseModel):
    """Options of a prediction: body fields of JSON and multipart requests, query parameters of a raw
    upload.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: ModelName | None = Field(
        default=None,
        description="Name of the GHN, see GET /models. Default: the server's.",
        examples=["ghn2-cifar10"],
    )
    dtype: Dtype = Field(default="float32", description="Number format of the weights.")
    output: Output = Field(
        default="safetensors",
        description="File to make: `safetensors` (every tensor in full), `tiles` (distinct blocks; small), "
        "`onnx` (the uploaded ONNX model with its weights filled in), `npz` (NumPy).",
    )
    include_classifier: bool = Field(
        default=True,
        description="Whether the last layer is predicted too; false gives it the standard initialisation.",
    )


class PredictRequest(PredictOptions):
    architecture: Document


class WeightsFile(BaseModel):
    url: str = Field(description="Path of the file on this server.")
    size: int = Field(description="Bytes.")
    sha256: str = Field(description="SHA-256 of the file, hexadecimal; also its ETag.")


class PredictResult(BaseModel):
    """`result` of a succeeded job of kind `predict`."""

    digest: str = Field(description="Same architecture, model and options: same digest.")
    model: str
    cached: bool = Field(description="Whether the answer was known before this request.")
    num_tensors: int
    num_parameters: int
    complete: bool = Field(description="Every trainable parameter of the network is in the file.")
    coverage: float = Field(description="Share of the parameters whose values come from the GHN, 0 to 1.")
    defaulted: list[str] = Field(description="Tensors that hold the field's standard initialisation instead.")
    weights: WeightsFile
    timings_ms: dict[str, float]
