"""What is wrong with a field, in the user's terms: pydantic's own sentences speak of types of Python."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "dataclass_type": "an object",
    "finite_number": "a finite number",
    "none_required": "null",
    "path_type": "a path",
}
# Of models and typed dictionaries, and of dataclasses.
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_LENGTHS = {
    "string_too_short": ("min_length", "at least", "characters"),
    "string_too_long": ("max_length", "at most", "characters"),
    "too_short": ("min_length", "at least", "items"),
    "too_long": ("max_length", "at most", "items"),
}


def sentence(name: str, entry: Mapping[str, Any], known: Collection[str] = ()) -> str:
    """A sentence about the field `name` from an entry of pydantic's `errors()`.

    known: the fields that there are, for a misspelt one.
    """
    kind, context = str(entry["type"]), entry.get("ctx", {})
    if kind == "missing":
        return f"{name} is required."
    if kind in _UNKNOWN:
        like = get_close_matches(str(entry["loc"][-1]), [*known], n=1) if entry.get("loc") else []
        return f"{name} is not a known field" + (f"; did you mean {like[0]}?" if like else ".")
    if kind in _KINDS:
        return f"{name} must be {_KINDS[kind]}."
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{name} must be {words} {_number(context[key])}."
    if kind in _LENGTHS:
        key, words, unit = _LENGTHS[kind]
        count = int(context[key])
        return f"{name} must have {words} {count:,} {unit if count != 1 else unit[:-1]}."
    if kind in ("literal_error", "enum"):
        return f"{name} must be {context['expected']}."
    if kind == "union_tag_invalid":
        return f"{name}: {context['discriminator']} must be one of {context['expected_tags']}."
    if kind == "union_tag_not_found":
        return f"{name}: {context['discriminator']} is required."
    if kind == "string_pattern_mismatch":
        return f"{name} does not match the pattern {context['pattern']}."
    text = str(entry["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return f"{name}: {text if text.endswith(('.', '?', '!')) else text + '.'}"


def _number(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)
