"""Attributes are data: what a row says is what a node may carry."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import InvalidArchitecture, UnsupportedOperator
from service.executor.operators import compile_node
from service.graph_io.archgraph import AttrValue, Node, Parameter
from service.graph_io.attributes import APPROXIMATE, REQUIRED, attributes, with_defaults
from service.graph_io.checks import build_graph
from service.graph_io.digest import graph_digest
from service.graph_io.operators import OPERATORS

CONV = (Parameter("w", (8, 3, 3, 3)),)


def network(op: str, params: tuple[Parameter, ...] = (), **attrs: AttrValue) -> Any:
    return build_graph([Node("x", "input"), Node("layer", op, ("x",), params, attrs)])


def test_a_signature_is_read() -> None:
    rows = attributes("kernel_size: axes, stride: axes = None, ceil_mode: flag = False, eps: number = 1e-5")
    assert [(row.name, row.kind, row.default) for row in rows] == [
        ("kernel_size", "axes", REQUIRED),
        ("stride", "axes", None),
        ("ceil_mode", "flag", False),
        ("eps", "number", 1e-5),
    ]
    assert with_defaults(rows, {"kernel_size": 3})["eps"] == 1e-5
    with pytest.raises(KeyError, match="kernel_size"):
        with_defaults(rows, {})


@pytest.mark.parametrize("op", OPERATORS)
def test_unknown_attributes_are_refused_whatever_the_operator(op: str) -> None:
    if op in ("unary", "merge"):
        attrs: dict[str, AttrValue] = {"kind": "exp" if op == "unary" else "where", "strides": 2}
    else:
        attrs = {"strides": 2}
    least, _ = OPERATORS[op].inputs
    inputs = ("x",) * (3 if op == "merge" else max(least, 0))
    params = {"conv": CONV, "conv_transpose": CONV, "linear": (Parameter("w", (4, 3)),)}.get(op, ())
    layer = Node("layer", op, inputs, params, attrs)
    with pytest.raises(InvalidArchitecture, match="unknown attribute 'strides'") as caught:
        build_graph([Node("x", "input"), layer])
    assert caught.value.extra["node"] == "layer" and APPROXIMATE in str(caught.value.extra["hint"])


@pytest.mark.parametrize(
    ("attrs", "reason"),
    [
        ({"stride": 1.5}, "a whole number"),
        ({"groups": True}, "a whole number"),
        ({"padding": "same"}, "a whole number"),
    ],
)
def test_attributes_of_another_kind_are_refused(attrs: dict[str, AttrValue], reason: str) -> None:
    with pytest.raises(InvalidArchitecture, match=reason):
        network("conv", CONV, **attrs)


def test_the_arguments_of_a_function_are_attributes_too() -> None:
    network("activation", kind="leaky_relu", negative_slope=0.5)
    with pytest.raises(InvalidArchitecture, match="unknown attribute 'negative_slope'"):
        network("activation", kind="relu", negative_slope=0.5)


def test_a_function_that_nobody_listed_is_taken_and_not_run() -> None:
    graph = network("unary", kind="besselj0", order=3)
    with pytest.raises(UnsupportedOperator, match="besselj0"):
        compile_node(graph.nodes[1])


def test_a_marked_node_is_not_run_and_says_why() -> None:
    graph = network("conv", CONV, **{APPROXIMATE: "its weight is standardised"})
    with pytest.raises(UnsupportedOperator, match="its weight is standardised"):
        compile_node(graph.nodes[1])
    assert graph_digest(graph) == graph_digest(network("conv", CONV))


@pytest.mark.parametrize(
    ("op", "params", "default", "other"),
    [
        ("activation", (), {"kind": "leaky_relu", "negative_slope": 0.01}, {"negative_slope": 0.5}),
        ("conv", CONV, {"stride": (1, 1), "padding_end": None}, {"padding_end": 1}),
        ("avg_pool", (), {"kernel_size": (2, 2)}, {"divisor": 3}),
        ("pad", (), {"pads": (1, 1), "mode": "constant"}, {"mode": "reflect"}),
        ("attention", (), {"heads": 2}, {"causal": True}),
        ("softmax", (), {}, {"log": True}),
    ],
)
def test_arguments_count_in_the_digest_and_defaults_do_not(
    op: str, params: tuple[Parameter, ...], default: dict[str, AttrValue], other: dict[str, AttrValue]
) -> None:
    rows = {row.name: row for row in OPERATORS[op].attributes}
    plain = {
        name: value for name, value in default.items() if name not in rows or value != rows[name].default
    }
    first = graph_digest(network(op, params, **default))
    assert first == graph_digest(network(op, params, **plain))
    assert first != graph_digest(network(op, params, **{**default, **other}))
