"""The open JSON format: what is written is read back, what is wrong is refused by field and node."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidArchitecture, LimitExceeded, ServiceError, UnsupportedOperator
from service.graph_io import json_reader
from service.graph_io.archgraph import ArchGraph
from service.graph_io.digest import graph_digest
from service.graph_io.fields import Place
from service.graph_io.json_reader import graph_schema, read_json_graph
from service.graph_io.json_text import parse_json
from service.graph_io.json_writer import graph_document
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits
from service.graph_io.operators import OPERATORS
from service.graph_io.plain_nodes import plain_node
from tests.graph_io.strategies import graphs

VALIDATOR = jsonschema.Draft202012Validator(graph_schema())


def small() -> dict[str, Any]:
    return {
        "format": "graph",
        "input_shape": [3, 32, 32],
        "nodes": [
            {"name": "x", "op": "input"},
            {
                "name": "conv",
                "op": "conv",
                "inputs": ["x"],
                "attrs": {"stride": [2, 2], "padding": 1},
                "params": {"weight": {"name": "conv.weight", "shape": [8, 3, 3, 3]}},
                "cell": 0,
            },
            {
                "name": "y",
                "op": "linear",
                "inputs": ["conv"],
                "params": {"weight": {"name": "w", "shape": [10, 8]}},
            },
        ],
    }


@settings(max_examples=150, deadline=None)
@given(graph=graphs())
def test_what_is_written_is_read_back(graph: ArchGraph) -> None:
    document = graph_document(graph)
    VALIDATOR.validate(document)
    again = read_json_graph(parse_json(json.dumps(document, allow_nan=False).encode()))
    assert again == graph
    assert graph_digest(again) == graph_digest(graph)


def test_the_smallest_documents_are_read() -> None:
    graph = read_json_graph(small())
    assert [node.name for node in graph.nodes] == ["x", "conv", "y"]
    assert graph.outputs == ("y",)
    assert graph.nodes[1].attrs == {"stride": (2, 2), "padding": 1}
    assert graph.nodes[1].cell == 0
    VALIDATOR.validate(small())


def test_the_schema_knows_every_operator() -> None:
    jsonschema.Draft202012Validator.check_schema(graph_schema())
    listed = {entry["const"]: entry["description"] for entry in graph_schema()["$defs"]["operator"]["oneOf"]}
    assert listed == {operator.name: operator.summary for operator in OPERATORS.values()}


WRONG: list[tuple[list[str | int], Any, str, str | None]] = [
    # where, what to put there, field of the error, node of the error
    (["nodes"], {}, "/nodes", None),
    (["nodes"], [], "/nodes", None),
    (["nodes", 1], 7, "/nodes/1", None),
    (["nodes", 1, "name"], 7, "/nodes/1/name", None),
    (["nodes", 1, "name"], "", "/nodes/1", ""),
    (["nodes", 1, "op"], None, "/nodes/1/op", "conv"),
    (["nodes", 1, "inputs"], "x", "/nodes/1/inputs", "conv"),
    (["nodes", 1, "inputs", 0], 0, "/nodes/1/inputs/0", "conv"),
    (["nodes", 1, "inputs", 0], "z", "/nodes/1", "conv"),
    (["nodes", 1, "inputs", 0], "y", "/nodes/1", "conv"),
    (["nodes", 1, "cell"], True, "/nodes/1/cell", "conv"),
    (["nodes", 1, "cell"], -1, "/nodes/1/cell", "conv"),
    (["nodes", 1, "atrs"], {}, "/nodes/1/atrs", "conv"),
    (["nodes", 1, "attrs"], [], "/nodes/1/attrs", "conv"),
    (["nodes", 1, "attrs", "stride"], [[1]], "/nodes/1/attrs/stride/0", "conv"),
    (["nodes", 1, "attrs", "stride"], {"a": 1}, "/nodes/1/attrs/stride", "conv"),
    (["nodes", 1, "attrs", "stride"], [1, True], "/nodes/1/attrs/stride/1", "conv"),
    (["nodes", 1, "attrs", "stride"], 2**63, "/nodes/1/attrs/stride", "conv"),
    (["nodes", 1, "attrs", "eps"], float("inf"), "/nodes/1/attrs/eps", "conv"),
    (["nodes", 1, "attrs", "a/b~c"], [None], "/nodes/1/attrs/a~1b~0c/0", "conv"),
    (["nodes", 1, "attrs", "kind"], "a\nb", "/nodes/1/attrs/kind", "conv"),
    (["nodes", 1, "params"], [], "/nodes/1/params", "conv"),
    (["nodes", 1, "params", "kernel"], {"name": "k", "shape": [1]}, "/nodes/1", "conv"),
    (["nodes", 1, "params", "weight", "shape"], [8, 3, 3, 0], "/nodes/1/params/weight/shape/3", "conv"),
    (["nodes", 1, "params", "weight", "shape"], [8, -3, 3, 3], "/nodes/1/params/weight/shape/1", "conv"),
    (["nodes", 1, "params", "weight", "shape"], [8, 3.0, 3, 3], "/nodes/1/params/weight/shape/1", "conv"),
    (["nodes", 1, "params", "weight", "shape"], [8, 3], "/nodes/1", "conv"),
    (["nodes", 1, "params", "weight", "axes"], [0, 1, 2, 2], "/nodes/1/params/weight/axes", "conv"),
    (["nodes", 1, "params", "weight", "values"], [1.0], "/nodes/1/params/weight/values", "conv"),
    (["input_shape"], [3, True, 32], "/input_shape/1", None),
    (["input_shape"], None, "/input_shape", None),
    (["outputs"], ["q"], "/nodes", "q"),
    (["outputs"], [3], "/outputs/0", None),
    (["format"], "onnx", "/format", None),
    (["unattached"], [{"name": "u"}], "/unattached/0", None),
    (["node"], [], "/node", None),
]


@pytest.mark.parametrize(("where", "value", "field", "node"), WRONG)
def test_what_is_wrong_is_named(where: list[str | int], value: Any, field: str, node: str | None) -> None:
    document = small()
    parent: Any = document
    for key in where[:-1]:
        parent = parent[key]
    parent[where[-1]] = value
    with pytest.raises(InvalidArchitecture) as caught:
        read_json_graph(document)
    assert (caught.value.extra["field"], caught.value.extra.get("node")) == (field, node)
    assert json.dumps(caught.value.problem())


@pytest.mark.parametrize("key", ["nodes", "input_shape"])
def test_a_missing_key_is_named(key: str) -> None:
    document = small()
    del document[key]
    with pytest.raises(InvalidArchitecture, match=key):
        read_json_graph(document)
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize(
    ("op", "like"),
    [
        ("Conv2d", "conv"),
        ("convv", "conv"),
        ("ReLU", "activation"),
        ("nn.Linear", "linear"),
        ("BatchNorm2d", "batch_norm"),
    ],
)
def test_an_unknown_operator_gets_the_nearest_one(op: str, like: str) -> None:
    document = small()
    document["nodes"][1]["op"] = op
    with pytest.raises(UnsupportedOperator) as caught:
        read_json_graph(document)
    assert f"Did you mean '{like}'?" in caught.value.extra["hint"]
    assert caught.value.extra["operator"] == op


def test_an_unknown_key_gets_the_nearest_one() -> None:
    document = small()
    document["nodes"][1]["imputs"] = document["nodes"][1].pop("inputs")
    with pytest.raises(InvalidArchitecture) as caught:
        read_json_graph(document)
    assert caught.value.extra["hint"] == "Did you mean 'inputs'?"


@pytest.mark.parametrize(
    "change",
    [
        {"input_shape": [1] * 9},
        {"input_shape": [2**20 + 1]},
        {"nodes": [{"name": "x", "op": "input"}] * 20_001},
        {"name": "n" * 4097},
        {"unattached": [{"name": f"u{n}", "shape": [2**20]} for n in range(1000)]},
        {"unattached": [{"name": "u", "shape": [10**6, 10**6]}]},
    ],
)
def test_limits_hold(change: dict[str, Any]) -> None:
    with pytest.raises(LimitExceeded) as caught:
        read_json_graph({**small(), **change})
    assert caught.value.extra["limit"] > 0


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["x", "conv", "input"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


CHANGES = st.sampled_from(
    [
        "x",
        7,
        -1,
        2**63,
        1.5,
        float("nan"),
        True,
        None,
        [],
        [1, 2],
        [1, True],
        [1.0],
        ["a"],
        (1, 2),
        {},
        "a\nb",
    ]
)
KEYS = st.sampled_from(["name", "op", "inputs", "params", "attrs", "cell", "atrs", "weight", "shape", "axes",
                        "trainable", "stride", 3])  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(graph=graphs(max_nodes=6), data=st.data())
def test_a_node_that_is_read_in_one_go_is_what_careful_reading_makes_of_it(
    graph: ArchGraph, data: st.DataObject
) -> None:
    entry: Any = data.draw(st.sampled_from(json.loads(json.dumps(graph_document(graph)))["nodes"]))
    for _ in range(data.draw(st.integers(0, 2))):
        parent = entry
        while inner := [value for value in parent.values() if isinstance(value, dict) and value]:
            if data.draw(st.booleans()):
                break
            parent = data.draw(st.sampled_from(inner))
        parent[data.draw(KEYS | st.sampled_from([*parent]))] = copy.deepcopy(data.draw(CHANGES))
    limits = GraphLimits(max_name_length=40, max_rank=4)
    node = plain_node(entry, limits)
    if node is not None:
        careful = json_reader._node(entry, Place(), limits)
        assert (node, repr(node)) == (careful, repr(careful))


def test_ordinary_nodes_are_read_in_one_go() -> None:
    assert all(plain_node(entry, DEFAULT_LIMITS) is not None for entry in small()["nodes"])


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_document_does_worse_than_a_clear_error(data: st.DataObject) -> None:
    document: Any = copy.deepcopy(small())
    for _ in range(data.draw(st.integers(1, 3))):
        parent = document
        while True:
            keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(parent[key], dict | list) and data.draw(st.booleans()):
                parent = parent[key]
                continue
            parent[key] = data.draw(json_values)
            break
    try:
        read_json_graph(document)
    except ServiceError as error:
        assert error.status in (413, 422)
        assert len(json.dumps(error.problem())) < 4000
