"""Squeeze and excite on the form that both routes share, and the roles of parameters outside of layers."""

from __future__ import annotations

import pytest

from service.graph_io.archgraph import AttrValue, Node, Parameter
from service.graph_io.lifting import lift
from service.graph_io.lifting.linked import linked

BATCH = 53
FEATURES, GATE = (BATCH, 8, 6, 6), (BATCH, 8, 1, 1)
LAYER = Node("layer", "conv", ("pool",), (Parameter("w", (8, 8, 1, 1)), Parameter("b", (8,), "bias")))
EXPANDED: dict[str, AttrValue] = {"kind": "expand", "shape": (-1, -1, 6, 6)}


def product(*gate: Node, factors: tuple[str, str], shapes: dict[str, tuple[int, ...]] | None = None) -> Node:
    """What a product of the input with what is computed from it becomes."""
    nodes = [Node("x", "input"), Node("pool", "global_avg_pool", ("x",)), *gate, Node("y", "mul", factors)]
    known = dict.fromkeys((node.name for node in nodes), GATE) | {"x": FEATURES, "y": FEATURES}
    return {node.name: node for node in lift(linked(nodes, ["y"], known | (shapes or {}), BATCH))[0]}["y"]


@pytest.mark.parametrize("factors", [("x", "sigmoid"), ("sigmoid", "x")])
def test_a_factor_a_channel_that_a_layer_made_is_a_gate(factors: tuple[str, str]) -> None:
    node = product(LAYER, Node("sigmoid", "activation", ("layer",)), factors=factors)
    assert (node.op, node.inputs) == ("channel_gate", ("x", "sigmoid"))


def test_a_gate_that_is_expanded_is_the_gate_itself() -> None:
    wide = Node("wide", "unary", ("layer",), (), EXPANDED)
    node = product(LAYER, wide, factors=("x", "wide"), shapes={"wide": FEATURES})
    assert (node.op, node.inputs) == ("channel_gate", ("x", "layer"))


def test_a_factor_that_no_layer_made_is_none() -> None:
    assert product(factors=("x", "pool")).op == "mul"


def test_a_layer_at_every_position_makes_none() -> None:
    """The mean comes behind the layer: nothing was squeezed before it."""
    layer = Node("layer", "conv", ("x",), LAYER.params)
    mean = Node("mean", "global_avg_pool", ("layer",))
    assert product(layer, mean, factors=("x", "mean"), shapes={"layer": FEATURES}).op == "mul"


def test_one_number_for_all_channels_is_no_bias_node() -> None:
    nodes = [Node("x", "input"), Node("y", "bias", ("x",), (Parameter("shift", (1,), "bias"),))]
    assert lift(linked(nodes, ["y"], dict.fromkeys("xy", FEATURES), BATCH))[0][1].op == "parameter"


def test_a_table_of_relative_positions_is_one_by_its_name() -> None:
    """Whichever route read it: the readers call what is added along several axes a position."""
    nodes = [Node("x", "input"), Node("y", "position", ("x",), (Parameter("rel_pos_h", (6, 6)),))]
    assert lift(linked(nodes, ["y"], dict.fromkeys("xy", FEATURES), BATCH))[0][1].op == "relative_position"
