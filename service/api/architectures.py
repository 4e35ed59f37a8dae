"""Architectures in the OpenAPI document: a union by `format`, made of the models that the readers read by.

Nothing is checked here; the readers in `graph_io` do, and say more than a schema could.
"""

from __future__ import annotations

import json

from service.contract.fields import ARCHITECTURE_URL
from service.graph_io.schemas import ARCHITECTURE, architecture_schemas
from service.kit.json_types import JsonObject

NASBENCH201_EXAMPLE: JsonObject = {
    "format": "nasbench201",
    "cell": "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|",
}
GRAPH_EXAMPLE: JsonObject = {
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
TORCHVISION_EXAMPLE: JsonObject = {"format": "torchvision", "name": "resnet50"}


COMPONENTS = "#/components/schemas/"


def with_architectures(openapi: JsonObject) -> JsonObject:
    """The OpenAPI document with the schemas of all formats, and with requests that refer to them."""
    openapi["components"]["schemas"].update(architecture_schemas(COMPONENTS))
    text = json.dumps(openapi).replace(json.dumps(ARCHITECTURE_URL), json.dumps(COMPONENTS + ARCHITECTURE))
    return dict(json.loads(text))
