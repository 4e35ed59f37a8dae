"""The normal form of chains of views: the same numbers, and the same nodes for chains that do the same."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.graph_io.archgraph import Node
from service.graph_io.lifting import lift
from service.graph_io.lifting.linked import linked

BATCH = 53
Array = NDArray[np.int64]


def applied(node: Node, x: Array) -> Array:
    """What one view makes of numbers."""
    attrs: dict[str, Any] = dict(node.attrs)
    if node.op == "flatten":
        return x.reshape(*x.shape[: attrs["start_axis"]], -1)
    if node.op == "reshape":
        return x.reshape(attrs["shape"])
    if node.op == "permute":
        return x.transpose(attrs["axes"])
    index = [slice(None)] * x.ndim
    for axis, start, end in zip(attrs["axes"], attrs["starts"], attrs["ends"], strict=True):
        index[axis] = slice(start, end)
    return x[tuple(index)].squeeze(attrs.get("dropped", ()))


def rewritten(nodes: list[Node], shapes: list[tuple[int, ...]]) -> list[Node]:
    """The nodes between an input and an activation, after the passes."""
    chain = [Node("x", "input"), *nodes, Node("y", "activation", (nodes[-1].name,))]
    named = {node.name: shape for node, shape in zip(chain, [*shapes, shapes[-1]], strict=True)}
    result, _ = lift(linked(chain, ["y"], named, BATCH))
    return result[1:-1]


def chain_of(seed: int) -> tuple[list[Node], list[Array]]:
    """A random chain, and the numbers behind the input and behind each node."""
    draw = random.Random(seed)
    x: Array = np.arange(BATCH * 2 * 6 * 4 * 3).reshape(BATCH, 2, 6, 4, 3)
    numbers, nodes = [x], list[Node]()
    for place in range(draw.randint(1, 5)):
        op, attrs = drawn(draw, x.shape)
        node = Node(f"v{place}", op, (nodes[-1].name if nodes else "x",), (), attrs)
        x = applied(node, x)
        nodes.append(node)
        numbers.append(x)
    return nodes, numbers


def drawn(draw: random.Random, shape: tuple[int, ...]) -> tuple[str, dict[str, Any]]:
    batch = next(axis for axis, size in enumerate(shape) if size % BATCH == 0)
    kind = draw.choice(["permute", "split", "merge", "slice", "select"])
    axis = draw.randrange(len(shape))
    if kind == "permute":
        return "permute", {"axes": tuple(draw.sample(range(len(shape)), len(shape)))}
    if kind == "split":
        own = shape[axis] // BATCH if axis == batch else shape[axis]
        inner = draw.choice([size for size in range(1, own + 1) if own % size == 0])
        return "reshape", {"shape": (*shape[:axis], shape[axis] // inner, inner, *shape[axis + 1 :])}
    if kind == "merge" and axis + 1 < len(shape):
        return "reshape", {"shape": (*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :])}
    if axis == batch:
        return "permute", {"axes": tuple(range(len(shape)))}
    start = draw.randrange(shape[axis])
    end = start + 1 if kind == "select" else draw.randint(start + 1, shape[axis])
    attrs = {"axes": (axis,), "starts": (start,), "ends": (end,)}
    return "slice", attrs | ({"dropped": (axis,)} if kind == "select" else {})


def with_batch(nodes: list[Node], numbers: list[Array]) -> list[Node]:
    """The shapes as readers write them: -1 for the axis of the batch."""
    result = []
    for node, x in zip(nodes, numbers[1:], strict=True):
        shape = tuple(-1 if size % BATCH == 0 else size for size in x.shape)
        result.append(
            Node(node.name, node.op, node.inputs, (), {"shape": shape}) if node.op == "reshape" else node
        )
    return result


@pytest.mark.parametrize("seed", range(150))
def test_the_normal_form_computes_what_the_chain_computes(seed: int) -> None:
    nodes, numbers = chain_of(seed)
    x = numbers[0]
    for node in rewritten(with_batch(nodes, numbers), [y.shape for y in numbers]):
        x = applied(node, x)
    np.testing.assert_array_equal(x, numbers[-1])


def thirds(*steps: tuple[str, dict[str, Any]], shape: tuple[int, ...]) -> list[tuple[str, Any]]:
    """The normal form of steps on a projection of 12 channels: queries, keys and values of 2 heads."""
    x: Array = np.arange(BATCH * 5 * 12).reshape(BATCH, 5, 12)
    nodes, numbers = list[Node](), [x]
    for place, (op, attrs) in enumerate(steps):
        nodes.append(Node(f"v{place}", op, (f"v{place - 1}" if place else "x",), (), attrs))
        numbers.append(applied(nodes[-1], numbers[-1]))
    assert numbers[-1].shape == shape
    return [(node.op, node.attrs) for node in rewritten(nodes, [y.shape for y in numbers])]


def test_chains_that_take_the_same_part_become_the_same_nodes() -> None:
    """The keys, cut out of a projection before or behind the heads are told apart."""
    shape = (BATCH, 2, 5, 2)
    cut_first = thirds(
        ("slice", {"axes": (2,), "starts": (4,), "ends": (8,)}),
        ("reshape", {"shape": (-1, 5, 2, 2)}),
        ("permute", {"axes": (0, 2, 1, 3)}),
        shape=shape,
    )
    cut_last = thirds(
        ("reshape", {"shape": (-1, 5, 3, 2, 2)}),
        ("permute", {"axes": (2, 0, 3, 1, 4)}),
        ("slice", {"axes": (0,), "starts": (1,), "ends": (2,), "dropped": (0,)}),
        shape=shape,
    )
    assert cut_first == cut_last
    assert [op for op, _ in cut_first] == ["slice", "reshape", "permute"]


def test_a_chain_that_changes_nothing_is_left_out() -> None:
    there_and_back = thirds(
        ("permute", {"axes": (0, 2, 1)}),
        ("reshape", {"shape": (-1, 3, 4, 5)}),
        ("permute", {"axes": (0, 3, 1, 2)}),
        ("reshape", {"shape": (-1, 5, 12)}),
        shape=(BATCH, 5, 12),
    )
    assert there_and_back == []


def test_the_batch_inside_an_axis_is_followed() -> None:
    """Tokens of length and batch side by side, as multi-head attention has them before its last layer."""
    nodes = [
        Node("moved", "permute", ("x",), (), {"axes": (1, 0, 2)}),
        Node("flat", "reshape", ("moved",), (), {"shape": (-1, 12)}),
        Node("layer", "activation", ("flat",)),
        Node("apart", "reshape", ("layer",), (), {"shape": (5, -1, 12)}),
        Node("back", "permute", ("apart",), (), {"axes": (1, 0, 2)}),
    ]
    for batch in (BATCH, 1):
        shapes = [
            (batch, 5, 12),
            (5, batch, 12),
            (5 * batch, 12),
            (5 * batch, 12),
            (5, batch, 12),
            (batch, 5, 12),
        ]
        named = dict(zip(("x", *(node.name for node in nodes)), shapes, strict=True))
        result, _ = lift(linked([Node("x", "input"), *nodes], ["back"], named, batch))
        assert [(node.op, node.attrs.get("shape")) for node in result[1:]] == [
            ("permute", None),
            ("reshape", (-1, 12)),
            ("activation", None),
            ("reshape", (5, -1, 12)),
            ("permute", None),
        ]


def test_an_uneven_split_stays_as_it_is() -> None:
    """Two views that no common pieces describe."""
    steps = (("reshape", {"shape": (-1, 4, 15)}), ("slice", {"axes": (1,), "starts": (1,), "ends": (3,)}))
    assert [op for op, _ in thirds(*steps, shape=(BATCH, 2, 15))] == ["reshape", "slice"]
