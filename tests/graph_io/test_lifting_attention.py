"""Attention that is written out, rolls and parts of parts, on the form that both routes share."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from service.graph_io.archgraph import AttrValue, Node, Parameter
from service.graph_io.attributes import APPROXIMATE
from service.graph_io.lifting import lift
from service.graph_io.lifting.linked import linked

BATCH, HEADS, LENGTH, WIDTH = 53, 2, 5, 4
APART = (BATCH, HEADS, LENGTH, WIDTH)
TURNED = (BATCH, HEADS, WIDTH, LENGTH)
SCORES = (BATCH, HEADS, LENGTH, LENGTH)
# A step: its operator, what it reads beside the step before it, attributes, parameter.
Step = tuple[str, tuple[str, ...], dict[str, AttrValue], Parameter | None]


def lifted(nodes: list[Node], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Node]:
    """The nodes after the passes; what nothing reads is an output."""
    read = {name for node in nodes for name in node.inputs}
    outputs = [node.name for node in nodes if node.name not in read]
    result, _ = lift(linked(nodes, outputs, shapes, BATCH))
    return {node.name: node for node in result}


def attention(*steps: Step, keys: str = "kt", queries: str = "q") -> tuple[Node, dict[str, Node]]:
    """The attention of queries, keys and values with the steps between the two products."""
    nodes = [
        *(Node(name, "input") for name in "qkv"),
        Node("mask", "input"),
        Node("kt", "permute", ("k",), (), {"axes": (0, 1, 3, 2)}),
        Node("qs", "unary", ("q",), (), {"kind": "mul", "value": WIDTH**-0.25}),
        Node("ks", "unary", ("kt",), (), {"kind": "mul", "value": WIDTH**-0.25}),
        Node("scores", "matmul", (queries, keys)),
    ]
    shapes = dict.fromkeys(("q", "k", "v", "qs", "y"), APART) | {"kt": TURNED, "ks": TURNED, "mask": SCORES}
    last = "scores"
    for place, (op, others, attrs, parameter) in enumerate(steps):
        params = () if parameter is None else (parameter,)
        nodes.append(Node(f"s{place}", op, (last, *others), params, attrs))
        last = f"s{place}"
    nodes.append(Node("y", "matmul", (last, "v")))
    shapes |= {node.name: SCORES for node in nodes if node.name not in shapes}
    graph = lifted(nodes, shapes)
    return graph["y"], graph


SOFTMAX: Step = ("softmax", (), {"axis": -1}, None)


def test_a_factor_and_a_softmax_between_two_products_are_an_attention() -> None:
    node, graph = attention(("unary", (), {"kind": "div", "value": 4}, None), SOFTMAX)
    assert (node.op, node.inputs) == ("attention", ("q", "kt", "v"))
    assert node.attrs == {"heads": HEADS, "layout": "heads", "keys_transposed": True, "scale": 0.25}
    assert not {"matmul", "softmax"} & {node.op for node in graph.values()}


def test_what_exporters_make_of_the_fused_attention_becomes_it_again() -> None:
    node, _ = attention(SOFTMAX, queries="qs", keys="ks")
    assert (node.inputs, node.attrs) == (("q", "k", "v"), {"heads": HEADS, "layout": "heads"})


def test_a_factor_of_the_queries_alone_stays_where_it_is() -> None:
    node, _ = attention(SOFTMAX, queries="qs")
    assert node.inputs == ("qs", "kt", "v") and node.attrs["scale"] == 1


TABLE = Parameter("table", (HEADS, LENGTH, LENGTH))
TEMPERATURE = Parameter("temperature", (HEADS, 1, 1))


def test_tables_and_masks_are_read_behind_the_values() -> None:
    node, graph = attention(("position", (), {}, TABLE), ("add", ("mask",), {}, None), SOFTMAX)
    assert node.inputs == ("q", "kt", "v", "mask", "table") and APPROXIMATE not in node.attrs
    assert (graph["table"].op, graph["table"].params[0].role) == ("relative_position", "weight")


def test_a_temperature_is_no_table_and_marks_the_attention() -> None:
    node, graph = attention(("parameter", (), {}, TEMPERATURE), SOFTMAX)
    assert (graph["temperature"].op, graph["temperature"].params[0].role) == ("parameter", "gain")
    assert APPROXIMATE in node.attrs


@pytest.mark.parametrize(
    "step",
    [
        ("unary", (), {"kind": "clamp"}, None),
        ("softmax", (), {"axis": 2}, None),
        ("mul", ("mask",), {}, None),
        ("unary", (), {"kind": "mul", "value": 2.0, "reversed": True}, None),
    ],
)
def test_what_no_attribute_says_marks_the_attention(step: Step) -> None:
    node, _ = attention(step, *(() if step[0] == "softmax" else (SOFTMAX,)))
    assert node.op == "attention" and APPROXIMATE in node.attrs


def test_a_product_without_a_softmax_is_none() -> None:
    assert attention(("activation", (), {"kind": "relu"}, None))[0].op == "matmul"


def test_heads_that_a_layer_mixes_leave_scores_and_values() -> None:
    layer = ("linear", (), {}, Parameter("mix.weight", (LENGTH, LENGTH)))
    node, graph = attention(SOFTMAX, layer)
    assert (node.inputs, node.attrs["layout"]) == (("s1", "v"), "scores")
    assert graph["s0"].op == "softmax"


# Rolls and parts


def joined(*parts: tuple[int, int], axis: int = 1) -> Node:
    """What a join of parts of one tensor becomes."""
    names = [f"p{place}" for place in range(len(parts))]
    cuts = [
        Node(name, "slice", ("x",), (), {"axes": (axis,), "starts": (start,), "ends": (end,)})
        for name, (start, end) in zip(names, parts, strict=True)
    ]
    nodes = [Node("x", "input"), *cuts, Node("y", "concat", tuple(names), (), {"axis": axis})]
    shapes = {name: (BATCH, end - start, 3) for name, (start, end) in zip(names, parts, strict=True)}
    return lifted(nodes, {"x": (BATCH, 8, 3), "y": (BATCH, 8, 3), **shapes})["y"]


def test_two_parts_in_the_other_order_are_a_roll() -> None:
    assert joined((3, 8), (0, 3)).attrs == {"kind": "roll", "shifts": (-3,), "dims": (1,)}
    assert joined((6, 8), (0, 6)).attrs == {"kind": "roll", "shifts": (2,), "dims": (1,)}


@pytest.mark.parametrize("parts", [((0, 3), (3, 8)), ((3, 8), (0, 2)), ((3, 7), (0, 3)), ((3, 8), (1, 3))])
def test_other_joins_are_no_roll(parts: tuple[tuple[int, int], ...]) -> None:
    assert joined(*parts).op == "concat"


def test_rolls_of_several_axes_are_one() -> None:
    nodes = [
        Node("x", "input"),
        Node("r", "unary", ("x",), (), {"kind": "roll", "shifts": (1,), "dims": (2,)}),
        Node("y", "unary", ("r",), (), {"kind": "roll", "shifts": (-2,), "dims": (1,)}),
    ]
    node = lifted(nodes, dict.fromkeys("xry", (BATCH, 8, 3)))["y"]
    assert (node.inputs, node.attrs) == (("x",), {"kind": "roll", "shifts": (-2, 1), "dims": (1, 2)})


def test_every_other_entry_of_two_axes_is_one_part() -> None:
    cuts = [
        Node(name, "slice", (source,), (), {"axes": (axis,), "starts": (1,), "ends": (8,), "steps": (2,)})
        for name, source, axis in (("a", "x", 1), ("y", "a", 2))
    ]
    shapes = {"x": (BATCH, 8, 8), "a": (BATCH, 4, 8), "y": (BATCH, 4, 4)}
    node = lifted([Node("x", "input"), *cuts], shapes)["y"]
    assert node.inputs == ("x",)
    assert node.attrs == {"axes": (1, 2), "starts": (1, 1), "ends": (8, 8), "steps": (2, 2)}
