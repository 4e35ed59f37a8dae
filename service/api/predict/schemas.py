"""The three ways to send a network, for OpenAPI."""

from __future__ import annotations

from service.api.architectures import COMPONENTS, GRAPH_EXAMPLE, NASBENCH201_EXAMPLE, TORCHVISION_EXAMPLE
from service.api.kit.openapi import BINARY
from service.api.predict.parsing import ONNX_MEDIA_TYPES
from service.contract.predict import PredictOptions, PredictRequest
from service.contract.reading import properties
from service.kit.json_types import JsonObject


def _option_schemas() -> JsonObject:
    return dict(properties(PredictOptions))


def _form_schema() -> JsonObject:
    file = {**BINARY, "description": "An .onnx or .json file."}
    return {
        "type": "object",
        "required": ["architecture"],
        "properties": {"architecture": file, **_option_schemas()},
    }


_EXAMPLES = {
    "torchvision": {"value": {"architecture": TORCHVISION_EXAMPLE, "output": "tiles"}},
    "nasbench201": {"value": {"architecture": NASBENCH201_EXAMPLE}},
    "graph": {"value": {"architecture": GRAPH_EXAMPLE}},
}
REQUEST: JsonObject = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": f"{COMPONENTS}{PredictRequest.__name__}"},
                "examples": _EXAMPLES,
            },
            "multipart/form-data": {"schema": _form_schema()},
            **{media: {"schema": BINARY} for media in ONNX_MEDIA_TYPES},
        },
    },
    "parameters": [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": schema,
            "description": "Option of a raw ONNX upload.",
        }
        for name, schema in _option_schemas().items()
    ],
}
