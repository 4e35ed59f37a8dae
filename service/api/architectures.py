"""The tagged union of architectures, as OpenAPI shows it and as far as the API checks it.

The readers in `graph_io` check every format themselves, and say more than a schema could. What the API checks
itself is the `torchvision` form, which no reader can open here because it takes torch: the worker builds that
one.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.request_body import validated
from service.graph_io.read import MAX_CLASSES, MAX_IMAGE_SIZE

NASBENCH201_EXAMPLE: dict[str, Any] = {
    "format": "nasbench201",
    "cell": "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|",
}
GRAPH_EXAMPLE: dict[str, Any] = {
    "format": "graph",
    "input_shape": [3, 32, 32],
    "nodes": [
        {"name": "image", "op": "input"},
        {
            "name": "conv",
            "op": "conv",
            "inputs": ["image"],
            "params": {
                "weight": {"name": "conv.weight", "shape": [32, 3, 3, 3]},
                "bias": {"name": "conv.bias", "shape": [32]},
            },
            "attrs": {"stride": [1, 1], "padding": [1, 1]},
        },
        {"name": "relu", "op": "activation", "inputs": ["conv"], "attrs": {"kind": "relu"}},
        {"name": "pool", "op": "global_avg_pool", "inputs": ["relu"]},
        {"name": "flatten", "op": "flatten", "inputs": ["pool"]},
        {
            "name": "fc",
            "op": "linear",
            "inputs": ["flatten"],
            "params": {
                "weight": {"name": "fc.weight", "shape": [10, 32]},
                "bias": {"name": "fc.bias", "shape": [10]},
            },
        },
    ],
}
TORCHVISION_EXAMPLE: dict[str, Any] = {"format": "torchvision", "name": "resnet50"}


class TorchvisionArchitecture(BaseModel):
    """A network of torchvision by name, built on the worker."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal["torchvision"]
    name: str = Field(pattern=r"^[a-z0-9_]{1,64}$")
    num_classes: int | None = Field(default=None, ge=1, le=MAX_CLASSES)
    image_size: int | None = Field(default=None, ge=1, le=MAX_IMAGE_SIZE, description="Pixels a side.")


def torchvision_architecture(architecture: dict[str, Any]) -> TorchvisionArchitecture:
    return validated(TorchvisionArchitecture, architecture)


def _variant(tag: str, title: str, required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": title,
        "type": "object",
        "required": ["format", *required],
        "properties": {"format": {"const": tag, "type": "string"}, **properties},
    }


ARCHITECTURE_SCHEMA: dict[str, Any] = {
    "title": "Architecture",
    "description": "A network without weights, in one of these formats.",
    "oneOf": [
        _variant(
            "onnx",
            "An ONNX model",
            ["data"],
            {
                "data": {
                    "type": "string",
                    "contentEncoding": "base64",
                    "description": "The file, base64. Weights are not needed.",
                }
            },
        ),
        _variant(
            "graph",
            "The open JSON format (schema at /schemas/archgraph.json)",
            ["nodes"],
            {
                "nodes": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "op"],
                        "properties": {
                            "name": {"type": "string"},
                            "op": {"type": "string", "description": "An operator of GET /operators."},
                            "inputs": {"type": "array", "items": {"type": "string"}},
                            "params": {"type": "object", "additionalProperties": {"type": "object"}},
                            "attrs": {"type": "object"},
                        },
                    },
                },
                "input_shape": {"type": "array", "items": {"type": "integer"}},
                "outputs": {"type": "array", "items": {"type": "string"}},
            },
        ),
        _variant(
            "nasbench201",
            "A cell of NAS-Bench-201",
            ["cell"],
            {
                "cell": {"type": "string"},
                "channels": {"type": "integer"},
                "cells_per_stage": {"type": "integer"},
                "num_classes": {"type": "integer"},
            },
        ),
        _variant(
            "nasbench101",
            "A cell of NAS-Bench-101",
            ["matrix", "ops"],
            {
                "matrix": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
                "ops": {"type": "array", "items": {"type": "string"}},
            },
        ),
        _variant(
            "darts",
            "A DARTS genotype",
            ["genotype"],
            {"genotype": {"type": "object"}, "channels": {"type": "integer"}, "cells": {"type": "integer"}},
        ),
        _variant("smash", "A network of the SMASH space", [], {}),
        _variant(
            "torchvision",
            "A network of torchvision by name, built on the worker",
            ["name"],
            {
                "name": {"type": "string", "pattern": "^[a-z0-9_]{1,64}$"},
                "num_classes": {"type": "integer", "minimum": 1, "maximum": MAX_CLASSES},
                "image_size": {"type": "integer", "minimum": 1, "maximum": MAX_IMAGE_SIZE},
            },
        ),
    ],
    "discriminator": {"propertyName": "format"},
}
