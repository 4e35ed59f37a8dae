"""The kinds of jobs and their options as a page: `python -m service.contract.page > docs/jobs.md`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from service.contract.kinds import ANSWERS, KINDS, JobKind
from service.contract.options import Options
from service.contract.reading import properties
from service.kit.json_types import JsonObject

_HEAD = """\
# Jobs and their options

<!-- Made by `python -m service.contract.page > docs/jobs.md`. -->

This page lists every kind of job with its options. HTTP, the Python client and the command line take the
same options, with the same defaults and limits; null means the default. There is one exception: when
`weightcast` computes in its own process, it skips bad images only with `--skip-bad`.
"""
_TRAININGS = """\
## Training jobs

`POST /training-jobs` takes `{"kind": ..., "name": ..., "config": {...}}`, with these options in `config`.
`Client.create_training_job` takes the same. `weightcast train --kind` starts the kinds that learn from
images, with `--set NAME=VALUE` for every option.
"""
_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}


def page() -> str:
    """The page, as Markdown."""
    parts = [_HEAD]
    parts += ["\n".join(_section(row, "##")) for row in ANSWERS.values()]
    parts.append(_TRAININGS)
    parts += ["\n".join(_section(row, "###")) for row in KINDS.values()]
    return "\n".join(parts)


def _section(row: JobKind, mark: str) -> Iterator[str]:
    yield f"{mark} {row.name}"
    yield ""
    yield row.summary if row.summary.endswith(".") else f"{row.summary}."
    yield ""
    yield "| option | default | may be | meaning |"
    yield "| --- | --- | --- | --- |"
    yield from _rows(row.options, "")
    yield ""


def _rows(options: type[Options], prefix: str) -> Iterator[str]:
    schemas = properties(options)
    for entry in fields(options):
        if is_dataclass(entry.default) and isinstance(entry.default, Options):
            yield from _rows(type(entry.default), f"{prefix}{entry.name}.")
            continue
        schema = schemas[entry.name]
        meaning = " ".join(str(schema.get("description", "")).split())
        yield f"| `{prefix}{entry.name}` | {_default(entry)} | {_may_be(schema)} | {meaning} |"


def _default(entry: Field[Any]) -> str:
    if entry.default is MISSING:
        return "required"
    return "" if entry.default is None else f"`{json.dumps(entry.default)}`"


def _may_be(schema: JsonObject) -> str:
    for part in schema.get("anyOf", ()):
        if part.get("type") != "null":
            schema = {**schema, **part}
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    limits = [text.format(f"{schema[name]:,}") for name, text in _LIMITS.items() if name in schema]
    kind = {"boolean": "true or false", "array": "a list", "string": "text"}.get(schema.get("type", ""), "")
    return ", ".join([kind, *limits] if kind else limits)


if __name__ == "__main__":
    sys.stdout.write(page())
