"""Parsing JSON that comes from outside: sizes, nesting and everything that JSON itself does not allow are
refused clearly.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from service.errors import InvalidInput, LimitExceeded
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits

# A value costs the parser up to about 100 bytes of memory, however few bytes it has in the text.
MAX_VALUES = 2_000_000


def parse_json(
    data: bytes | str,
    *,
    limits: GraphLimits = DEFAULT_LIMITS,
    max_values: int = MAX_VALUES,
    finite: bool = True,
) -> Any:
    """Parse one JSON document (UTF-8).

    finite: False takes NaN and Infinity too, as Python writes them for what failed.

    Raises InvalidInput (with `line` and `column` where they are known) for text that is not JSON, repeated
    keys, NaN and Infinity; LimitExceeded for more bytes, values or nesting than allowed.
    """
    size = len(data)
    if size > limits.max_bytes:
        raise LimitExceeded(
            f"The document has {size:,} bytes, the limit is {limits.max_bytes:,}.",
            limit=limits.max_bytes,
            value=size,
        )
    text = _decode(data) if isinstance(data, bytes) else data
    if not text.strip():
        raise InvalidInput("The input is empty, where a JSON document was expected.")
    _check_count(text, max_values)
    try:
        document = json.loads(
            text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant if finite else float
        )
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"The JSON text is broken at line {error.lineno}, column {error.colno}: {error.msg}.",
            line=error.lineno,
            column=error.colno,
            hint="Was the input cut off?" if error.pos >= len(text) else None,
        ) from None
    except RecursionError:
        raise _too_deep(limits.max_json_depth) from None
    except ValueError:
        # Python refuses to convert whole numbers of thousands of digits.
        raise InvalidInput("The JSON text has a number with too many digits.") from None
    _check_depth(document, limits.max_json_depth)
    if "\\u" in text:
        _check_characters(document)
    return document


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"The input is not JSON: byte {error.start} is not UTF-8 text.",
            hint="Send JSON as UTF-8, or an ONNX file as application/octet-stream.",
        ) from None


def _check_count(text: str, max_values: int) -> None:
    """Every value but the first follows a comma or an opening bracket, so this bounds their number before
    any is made.
    """
    bound = text.count(",") + text.count("[") + text.count("{") + 1
    if bound > max_values:
        raise LimitExceeded(
            f"The JSON document has up to {bound:,} values, the limit is {max_values:,}.",
            limit=max_values,
            value=bound,
        )


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InvalidInput(f"A JSON object has the key {repeated[:80]!r} twice.", hint="Keys must be unique.")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidInput(
        f"The JSON text has the value {name}, which JSON does not know.", hint="Use finite numbers."
    )


def _too_deep(limit: int) -> LimitExceeded:
    return LimitExceeded(f"The JSON document is nested deeper than {limit} levels.", limit=limit)


def _check_depth(document: Any, max_depth: int) -> None:
    level = [document] if isinstance(document, dict | list) else []
    for _ in range(max_depth):
        if not level:
            return
        level = [
            item
            for value in level
            for item in (value.values() if type(value) is dict else value)
            if type(item) is dict or type(item) is list
        ]
    if level:
        raise _too_deep(max_depth)


def _check_characters(document: Any) -> None:
    """Refuse escapes of half characters (lone surrogates), which no UTF-8 text can carry on."""
    level = [document]
    while level:
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend((*value, *value.values()))
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, str):
                _check_encodable(value)
        level = below


def _check_encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"The JSON text has half a character in {text[:80]!a}.") from None
