"""The attributes of a node as the executor wants them: all of them, with defaults, one number an axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from torch import Tensor

from service.errors import UnsupportedOperator
from service.graph_io.archgraph import AttrValue, Node
from service.graph_io.attributes import APPROXIMATE, MARKS, with_defaults
from service.graph_io.node_attributes import rows_of

Params = Mapping[str, Tensor]
Inputs = Sequence[Tensor]
Step = Callable[[Inputs, Params], Tensor]


# Values by the names that `graph_io.operators` declares.
Attributes: TypeAlias = dict[str, Any]


def refusal(node: Node, reason: str, hint: str | None = None) -> UnsupportedOperator:
    return UnsupportedOperator(
        f"Node {node.name!r} ({node.op}) cannot be run: {reason}.",
        node=node.name,
        operator=node.op,
        hint=hint,
    )


def values_of(node: Node) -> Attributes:
    """Every attribute of a node that says what it computes, as it says it or by default.

    Raises UnsupportedOperator if the node stands for more than its attributes say, names a function that
    nobody listed, or lacks an attribute that it needs.
    """
    reason = node.attrs.get(APPROXIMATE)
    if reason:
        raise refusal(node, str(reason))
    rows = rows_of(node)
    if rows is None:
        raise refusal(node, f"{node.attrs.get('kind')!r} of {len(node.inputs)} tensors is not known here")
    try:
        return with_defaults(tuple(row for name, row in rows.items() if name not in MARKS), node.attrs)
    except KeyError as missing:
        raise refusal(node, f"the attribute {missing.args[0]!r} is missing") from None


def each(value: AttrValue, axes: int) -> tuple[int, ...]:
    """One whole number an axis, from one for all or one for each."""
    numbers = value if isinstance(value, tuple) else (value,)
    whole = tuple(int(number) for number in numbers)  # type: ignore[arg-type]
    return whole * axes if len(whole) == 1 else whole


def parameter_names(node: Node) -> dict[str, str]:
    """Names of the node's parameters by role."""
    return {parameter.role: parameter.name for parameter in node.params}


def canonical(node: Node, role: str) -> Callable[[Params], Tensor]:
    """Fetches a parameter in the canonical layout (out, in / groups, ...)."""
    parameter = next(parameter for parameter in node.params if parameter.role == role)
    name, axes = parameter.name, parameter.axes
    if axes is None:
        return lambda params: params[name]
    return lambda params: params[name].permute(axes)
