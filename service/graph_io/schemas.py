"""The JSON Schema of architectures: one of the formats, each as the model says that its reader reads by."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from service.graph_io.formats import FORMATS
from service.graph_io.json_reader import graph_schema
from service.kit.references import resolve

ARCHITECTURE, _GRAPH = "Architecture", "GraphDocument"
# The reader of graphs reads by a schema of its own, which is published by itself too.
MODELS: dict[str, type[Any] | None] = {
    name: None if row.model is None else resolve(row.model) for name, row in FORMATS.items()
}


def architecture_schemas(folder: str) -> dict[str, dict[str, Any]]:
    """The schemas by name: `Architecture`, each format, and what they share.

    folder: where they will stand, such as "#/components/schemas/"; references point there.
    """
    schemas: dict[str, dict[str, Any]] = {}
    mapping = {}
    for format_, model in MODELS.items():
        name = _GRAPH if model is None else model.__name__
        made = _graph(folder) if model is None else _of_model(model, folder)
        schemas.update(made.pop("$defs", {}))
        # A reader knows its format; a document has to say it.
        made["required"] = ["format", *made.get("required", ())]
        made["properties"]["format"] = {"type": "string", "const": format_}
        schemas[name] = made
        mapping[format_] = folder + name
    schemas[ARCHITECTURE] = {
        "description": "A network without weights, in one of these formats.",
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
        "discriminator": {"propertyName": "format", "mapping": mapping},
    }
    return schemas


def _of_model(model: type[Any], folder: str) -> dict[str, Any]:
    return TypeAdapter(model).json_schema(ref_template=folder + "{model}")


def _graph(folder: str) -> dict[str, Any]:
    """The schema of graphs, with the names that its parts have among the others."""
    schema = graph_schema()
    names = {part: "Graph" + part.title().replace("_", "") for part in schema["$defs"]}
    text = json.dumps({key: value for key, value in schema.items() if key not in ("$schema", "$id")})
    for part, name in names.items():
        text = text.replace(f'"#/$defs/{part}"', json.dumps(folder + name))
    schema = json.loads(text)
    schema["$defs"] = {names[part]: made for part, made in schema["$defs"].items()}
    return dict(schema)
