"""Nodes of a JSON document that nothing is wrong with, which nearly all are: read at once, in half the time.

`json_reader.py` reads all others, field by field, and says what is wrong with them.
"""

from __future__ import annotations

from typing import Any, TypeGuard

from service.graph_io.archgraph import AttrValue, Node, Parameter
from service.graph_io.fields import (
    MAX_ATTRIBUTE_ITEMS,
    MAX_ATTRIBUTE_TEXT,
    MAX_ATTRIBUTES,
    MAX_INTEGER,
    MAX_NUMBER,
    MAX_PARAMETERS_A_NODE,
    MAX_TEXT,
    plain_integers,
)
from service.graph_io.limits import GraphLimits
from service.graph_io.operators import OPERATORS

# Keys that a node and a parameter must have, and may have.
NODE_KEYS = (("name", "op"), ("inputs", "params", "attrs", "cell"))
PARAMETER_KEYS = (("name", "shape"), ("axes", "trainable"))
_NODE, _PARAMETER = (frozenset((*needed, *others)) for needed, others in (NODE_KEYS, PARAMETER_KEYS))
_NOTHING: dict[str, Any] = {}


def plain_node(entry: Any, limits: GraphLimits) -> Node | None:
    """The node of an entry, or None for one that must be read with care."""
    if type(entry) is not dict or not entry.keys() <= _NODE:
        return None
    name, op, cell = entry.get("name"), entry.get("op"), entry.get("cell")
    if type(op) is not str or op not in OPERATORS:
        return None
    inputs = _names(entry.get("inputs", ()), limits)
    params = _parameters(entry.get("params", _NOTHING), limits)
    attrs = _attributes(entry.get("attrs", _NOTHING))
    if (
        not _is_name(name, limits)
        or inputs is None
        or params is None
        or attrs is None
        or not (cell is None or (type(cell) is int and 0 <= cell <= limits.max_nodes))
    ):
        return None
    return Node(name, op, inputs, params, attrs, cell)


def _is_name(value: Any, limits: GraphLimits) -> TypeGuard[str]:
    return type(value) is str and len(value) <= limits.max_name_length


def _names(value: Any, limits: GraphLimits) -> tuple[str, ...] | None:
    if type(value) not in (list, tuple) or len(value) > limits.max_edges:
        return None
    for item in value:
        if type(item) is not str or len(item) > limits.max_name_length:
            return None
    return tuple(value)


def _parameters(value: Any, limits: GraphLimits) -> tuple[Parameter, ...] | None:
    if type(value) is not dict or len(value) > MAX_PARAMETERS_A_NODE:
        return None
    parameters = []
    for role, entry in value.items():
        if type(entry) is not dict or not entry.keys() <= _PARAMETER:
            return None
        name, trainable = entry.get("name"), entry.get("trainable", True)
        shape = plain_integers(entry.get("shape"), limits.max_rank, 1)
        # Few have axes: these are read with care.
        if (
            not (_is_name(role, limits) and _is_name(name, limits))
            or shape is None
            or "axes" in entry
            or type(trainable) is not bool
        ):
            return None
        parameters.append(Parameter(name, shape, role, None, trainable))
    return tuple(parameters)


def _attributes(value: Any) -> dict[str, AttrValue] | None:
    if type(value) is not dict or len(value) > MAX_ATTRIBUTES:
        return None
    attributes: dict[str, AttrValue] = {}
    for key, item in value.items():
        kind = type(item)
        if kind is list or kind is tuple:
            item = plain_integers(item, MAX_ATTRIBUTE_ITEMS)
            if item is None:
                return None
        elif not (
            item is None
            or kind is bool
            or (kind is int and -MAX_INTEGER <= item <= MAX_INTEGER)
            or (kind is float and -MAX_NUMBER <= item <= MAX_NUMBER)
            or (kind is str and len(item) <= MAX_ATTRIBUTE_TEXT and item.isprintable())
        ):
            return None
        if type(key) is not str or len(key) > MAX_TEXT:
            return None
        attributes[key] = item
    return attributes
