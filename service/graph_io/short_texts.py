"""Short texts for architectures: `nasbench201:CELL`, `torchvision:resnet18`, or a code that explains itself.

They name no files, so that a service may read them from anybody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from service.errors import InvalidInput
from service.graph_io.fields import shown
from service.graph_io.json_text import parse_json
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits

# By the word before the colon, the field of the document that the rest of the text fills.
SCHEMES = {
    "torchvision": "name",
    "nasbench201": "cell",
    "nats_size": "sizes",
    "nasbench_macro": "code",
    "darts": "genotype",
}
# Texts that can only be one format's.
_SELF_EXPLAINING = (
    (re.compile(r"\|[^|]*~\d+\|\+\|.*\|"), "nasbench201"),
    (re.compile(r"Structure\(.*\|\)", re.DOTALL), "nasbench201"),
    (re.compile(r"\d{1,4}(:\d{1,4}){4}"), "nats_size"),
    (re.compile(r"[012]{8}"), "nasbench_macro"),
    (re.compile(r"([^\n]*= *)?Genotype\(.*\)", re.DOTALL), "darts"),
)
MAX_SHORT_TEXT = 2**16
EXAMPLES = ", ".join(f"{scheme}:{field.upper()}" for scheme, field in SCHEMES.items())


def parse_short_text(text: str) -> Mapping[str, Any]:
    """The document that a short text stands for; also that of a JSON object written as text.

    Raises InvalidInput for any other text.
    """
    document = parse_json(text) if text.lstrip().startswith("{") else short_text(text)
    if not isinstance(document, Mapping):
        raise InvalidInput(f"{shown(text)} is not an architecture.", hint=f"Give {EXAMPLES}, or an object.")
    return document


def parse_line(line: str | bytes, *, limits: GraphLimits = DEFAULT_LIMITS, finite: bool = True) -> Any:
    """What a line of a list says: a short text as it is, or the value of a JSON document (`parse_json`).

    Raises InvalidInput, LimitExceeded for a line that is neither.
    """
    text = line.decode(errors="replace") if isinstance(line, bytes) else line
    if short_text(text) is not None:
        return text.strip()
    return parse_json(line, limits=limits, finite=finite)


def short_text(text: str) -> Mapping[str, Any] | None:
    """The document, or None for what is no short text. Its fields are not checked."""
    text = text.strip()
    if len(text) > MAX_SHORT_TEXT:
        return None
    scheme, separator, rest = text.partition(":")
    if separator and scheme in SCHEMES:
        # A shell keeps the bars of a cell for itself unless they are quoted, and some keep the quotes too.
        return {"format": scheme, SCHEMES[scheme]: rest.strip("\"'")}
    for pattern, form in _SELF_EXPLAINING:
        if pattern.fullmatch(text):
            return {"format": form, SCHEMES[form]: text}
    return None


def as_source(document: Mapping[str, Any]) -> str:
    """The shortest text that says the same on a command line: a short text where there is one, else JSON."""
    form = document.get("format")
    field = SCHEMES.get(form) if isinstance(form, str) else None
    if field is not None and set(document) == {"format", field} and isinstance(document[field], str):
        return f"{form}:{document[field]}"
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)
