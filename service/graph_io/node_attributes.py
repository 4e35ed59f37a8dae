"""The rows of the attributes that one node may carry, and the check that it carries no others."""

from __future__ import annotations

from service.errors import InvalidArchitecture
from service.graph_io.archgraph import Node
from service.graph_io.attributes import Attribute
from service.graph_io.fields import closest
from service.graph_io.functions import function_of
from service.graph_io.operators import OPERATORS

_NAMES_A_FUNCTION = {"activation": "relu", "unary": "", "merge": ""}


def rows_of(node: Node) -> tuple[Attribute, ...] | None:
    """The attributes of the node's operator and of the function that it names by `kind`; None if nobody
    listed that function, so that its arguments are not known.
    """
    rows = OPERATORS[node.op].attributes
    default = _NAMES_A_FUNCTION.get(node.op)
    if default is None:
        return rows
    function = function_of(node.op, str(node.attrs.get("kind", default)), len(node.inputs))
    return None if function is None else (*rows, *function.arguments)


def check_attributes(node: Node) -> None:
    """Raises InvalidArchitecture, naming the node, if it has an attribute that its operator does not have,
    or one that is not of its kind.
    """
    if not node.attrs or (rows := rows_of(node)) is None:
        return
    known = {row.name: row for row in rows}
    for name, value in node.attrs.items():
        row = known.get(name)
        if row is None:
            like = closest(name, known)
            raise InvalidArchitecture(
                f"Node {node.name!r} ({node.op}) has the unknown attribute {name!r}.",
                node=node.name,
                hint=(f"Did you mean {like!r}? " if like else "")
                + f"It may have: {', '.join(sorted(known))}.",
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
