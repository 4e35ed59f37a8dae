"""Values as Python prints them: read as data, never evaluated."""

from __future__ import annotations

import ast
from typing import Any

MAX_TEXT = 2**16
_MOST_STEPS = 1000


def parse_python(text: str) -> Any:
    """Numbers, texts, None, lists, tuples, dictionaries and `range(...)`; a call of any other name is the
    dictionary of its keyword arguments, with positional ones under their places.

    Raises ValueError for everything else.
    """
    if len(text) > MAX_TEXT:
        raise ValueError("the text is too long")
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise ValueError("this is not a value as Python prints it") from error


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "range":
            return _range([_value(argument) for argument in node.args])
        named = {str(keyword.arg): _value(keyword.value) for keyword in node.keywords}
        return {**dict(enumerate(map(_value, node.args))), **named}
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Dict) and all(key is not None for key in node.keys):
        return {_value(key): _value(item) for key, item in zip(node.keys, node.values, strict=True) if key}
    return ast.literal_eval(node)


def _range(bounds: list[Any]) -> list[int]:
    steps = range(*bounds)
    if len(steps) > _MOST_STEPS:
        raise ValueError("the range is too long")
    return list(steps)
