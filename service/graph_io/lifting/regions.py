"""Walking backwards through nodes that own nothing."""

from __future__ import annotations

from service.graph_io.archgraph import AttrValue
from service.graph_io.lifting.linked import LinkedNode

Readers = dict[LinkedNode, list[LinkedNode]]


def region(
    tail: LinkedNode, entry: LinkedNode, most: int = 24, *, owning: frozenset[str] = frozenset()
) -> list[LinkedNode] | None:
    """All nodes between `entry` (left out) and `tail` (included), if everything that `tail` reads comes
    from `entry`.

    None if something else flows in, if a node with parameters is met (other than the operators in `owning`),
    or if there are more than `most`.
    """
    members: dict[LinkedNode, None] = {}
    stack = [tail]
    while stack:
        node = stack.pop()
        if node is entry or node in members:
            continue
        if not node.inputs or (node.params and node.op not in owning) or len(members) >= most:
            return None
        members[node] = None
        stack.extend(node.inputs)
    return list(members)


def only_reader(readers: Readers, node: LinkedNode) -> LinkedNode | None:
    """What reads a node, if it is one other node."""
    users = readers.get(node, [])
    return users[0] if len(users) == 1 and users[0] is not node else None


def kind_of(node: LinkedNode) -> AttrValue:
    """The function of a node of a kind; of an activation that does not say it, the usual one."""
    return node.attrs.get("kind", "relu" if node.op == "activation" else None)


def number_of(node: LinkedNode, *kinds: str) -> float | None:
    """The number that a node of these kinds computes with its input; None if it is no such node."""
    value = node.attrs.get("value")
    if node.op != "unary" or node.attrs.keys() != {"kind", "value"} or node.attrs["kind"] not in kinds:
        return None
    return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def factor_of(node: LinkedNode) -> float | None:
    """What a node multiplies by, which is not 0; None if it does anything else."""
    divisor = number_of(node, "div")
    return 1 / divisor if divisor else number_of(node, "mul") or None
