"""The rows of the attributes that one node may carry, and the check that it carries no others."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

from service.errors import InvalidArchitecture
from service.graph_io.archgraph import Node
from service.graph_io.attributes import Attribute
from service.graph_io.fields import closest
from service.graph_io.functions import function_of
from service.graph_io.operators import OPERATORS

_NAMES_A_FUNCTION = {"activation": "relu", "unary": "", "merge": ""}


def rows_of(node: Node) -> Mapping[str, Attribute] | None:
    """The attributes, by name, of the node's operator and of the function that it names by `kind`; None if
    nobody listed that function, so that its arguments are not known.
    """
    default = _NAMES_A_FUNCTION.get(node.op)
    if default is None:
        return _rows_of_operator(node.op)
    return _rows_of_function(node.op, str(node.attrs.get("kind", default)), len(node.inputs))


@cache
def _rows_of_operator(op: str) -> Mapping[str, Attribute]:
    return {row.name: row for row in OPERATORS[op].attributes}


# Kinds are names of functions of torch, or whatever a file says: only so many are kept.
@lru_cache(maxsize=1024)
def _rows_of_function(op: str, kind: str, inputs: int) -> Mapping[str, Attribute] | None:
    function = function_of(op, kind, inputs)
    if function is None:
        return None
    return {**_rows_of_operator(op), **{row.name: row for row in function.arguments}}


def check_attributes(node: Node) -> None:
    """Raises InvalidArchitecture, naming the node, if it has an attribute that its operator does not have,
    or one that is not of its kind.
    """
    if not node.attrs or (rows := rows_of(node)) is None:
        return
    for name, value in node.attrs.items():
        row = rows.get(name)
        if row is None:
            like = closest(name, rows)
            raise InvalidArchitecture(
                f"Node {node.name!r} ({node.op}) has the unknown attribute {name!r}.",
                node=node.name,
                hint=(f"Did you mean {like!r}? " if like else "")
                + f"It may have: {', '.join(sorted(rows))}.",
            )
        if not row.accepts(value):
            raise InvalidArchitecture(
                f"The attribute {name!r} of node {node.name!r} ({node.op}) is {value!r}; "
                f"it must be {DESCRIPTIONS[row.kind]}.",
                node=node.name,
            )


DESCRIPTIONS = {
    "flag": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "text": "a text",
    "axes": "a whole number, or one for each axis of positions",
    "integers": "whole numbers",
    "numbers": "numbers",
}
