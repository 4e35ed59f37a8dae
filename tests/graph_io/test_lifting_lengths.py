"""A vector divided by its length, as exporters write torch's `normalize`."""

from __future__ import annotations

import pytest

from service.graph_io.archgraph import AttrValue, Node
from service.graph_io.lifting import lift
from service.graph_io.lifting.linked import linked

SHAPE, LENGTHS = (53, 5, 4), (53, 5, 1)
NORM: dict[str, AttrValue] = {"kind": "norm", "dim": (2,), "keepdim": True, "p": 2.0}
LEAST: dict[str, AttrValue] = {"kind": "clamp_min", "min": 1e-12}


def quotient(norm: dict[str, AttrValue], least: dict[str, AttrValue], *, of: str = "x") -> Node:
    """What x, divided by the limited norm of `of`, becomes."""
    nodes = [
        Node("x", "input"),
        Node("other", "activation", ("x",)),
        Node("norm", "unary", (of,), (), norm),
        Node("least", "unary", ("norm",), (), least),
        Node("wide", "unary", ("least",), (), {"kind": "expand", "shape": (-1, -1, 4)}),
        Node("y", "merge", ("x", "wide"), (), {"kind": "div"}),
    ]
    shapes = {"norm": LENGTHS, "least": LENGTHS}
    shapes |= {node.name: SHAPE for node in nodes if node.name not in shapes}
    return {node.name: node for node in lift(linked(nodes, ["y"], shapes, 53))[0]}["y"]


def test_a_quotient_with_the_length_is_normalised() -> None:
    node = quotient(NORM, LEAST)
    assert (node.op, node.inputs) == ("unary", ("x",))
    assert node.attrs == {"kind": "normalize", "dim": 2, "eps": 1e-12, "p": 2.0}


@pytest.mark.parametrize(
    ("norm", "least", "of"),
    [
        (NORM, LEAST, "other"),
        (NORM | {"dim": (1, 2)}, LEAST, "x"),
        (NORM | {"kind": "mean"}, LEAST, "x"),
        (NORM, {"kind": "clamp", "min": 1e-12, "max": 1.0}, "x"),
    ],
)
def test_other_quotients_are_none(norm: dict[str, AttrValue], least: dict[str, AttrValue], of: str) -> None:
    assert quotient(norm, least, of=of).op == "merge"
