"""Functions of several names have one, and fixed numbers are one node, on the form that both routes share."""

from __future__ import annotations

import pytest

from service.graph_io.archgraph import AttrValue, Node
from service.graph_io.lifting import find_layers, lift
from service.graph_io.lifting.linked import linked

SHAPE = (53, 4, 6)


def lifted(nodes: list[Node], shapes: dict[str, tuple[int, ...]] | None = None) -> list[Node]:
    known = {node.name: SHAPE for node in nodes if node.op != "constant"} | (shapes or {})
    graph = linked([Node("x", "input"), *nodes], [nodes[-1].name], {"x": SHAPE, **known}, SHAPE[0])
    find_layers(graph)
    return lift(graph)[0][1:]


@pytest.mark.parametrize(
    ("attributes", "op", "expected"),
    [
        ({"kind": "square"}, "unary", {"kind": "pow", "value": 2.0}),
        ({"kind": "clamp", "min": 0, "max": 6}, "activation", {"kind": "relu6"}),
        (
            {"kind": "clamp", "min": 0, "max": 1},
            "activation",
            {"kind": "hardtanh", "min_val": 0, "max_val": 1},
        ),
        ({"kind": "clamp", "min": 0}, "unary", {"kind": "clamp_min", "min": 0}),
        ({"kind": "clamp", "max": 2}, "unary", {"kind": "clamp_max", "max": 2}),
    ],
)
def test_a_function_has_one_name(
    attributes: dict[str, AttrValue], op: str, expected: dict[str, AttrValue]
) -> None:
    (node,) = lifted([Node("y", "unary", ("x",), (), attributes)])
    assert (node.op, node.attrs) == (op, expected)


def test_one_over_a_root_is_one_function_unless_the_root_is_read_elsewhere() -> None:
    root = Node("root", "unary", ("x",), (), {"kind": "sqrt"})
    over = Node("over", "unary", ("root",), (), {"kind": "reciprocal"})
    assert [node.attrs for node in lifted([root, over])] == [{"kind": "rsqrt"}]
    both = lifted([root, over, Node("y", "add", ("root", "over"))])
    assert [node.attrs.get("kind") for node in both] == ["sqrt", "reciprocal", None]


@pytest.mark.parametrize(
    ("axes", "kept"), [((2,), (53, 4, 1)), ((1, 2), (53, 1, 1)), ((-1,), (53, 4, 1))], ids=str
)
def test_axes_that_are_put_back_were_kept(axes: tuple[int, ...], kept: tuple[int, ...]) -> None:
    dropped = tuple(size for axis, size in enumerate(SHAPE) if axis not in {a % 3 for a in axes})
    mean = Node("mean", "unary", ("x",), (), {"kind": "mean", "axes": axes})
    back = Node("back", "reshape", ("mean",), (), {"shape": (-1, *kept[1:])})
    (node,) = lifted([mean, back], {"mean": dropped, "back": kept})
    assert (node.op, node.attrs) == ("unary", {"kind": "mean", "axes": axes, "keepdims": True})


def test_an_axis_that_is_put_elsewhere_stays_a_reshape() -> None:
    mean = Node("mean", "unary", ("x",), (), {"kind": "mean", "axes": (2,)})
    back = Node("back", "reshape", ("mean",), (), {"shape": (-1, 1, 4)})
    assert [node.op for node in lifted([mean, back], {"mean": (53, 4), "back": (53, 1, 4)})] == [
        "unary",
        "reshape",
    ]


def test_fixed_numbers_are_one_node() -> None:
    nodes = lifted(
        [
            Node("one", "constant"),
            Node("two", "constant"),
            Node("y", "add", ("x", "one")),
            Node("z", "mul", ("y", "two")),
        ]
    )
    assert [node.inputs for node in nodes] == [(), ("x", "one"), ("y", "one")]
