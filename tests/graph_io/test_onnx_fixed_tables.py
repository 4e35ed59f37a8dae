"""Tables that meet the features: what is told of them without their numbers."""

from __future__ import annotations

import onnx
import pytest

from service.graph_io.archgraph import ArchGraph
from service.graph_io.attributes import APPROXIMATE
from service.graph_io.digest import graph_digest
from service.graph_io.onnx_reader import read_onnx
from tests.graph_io.onnx_models import FLOAT, INT64, bare, full, ints, model, node, ops, owned, read, the

TABLE = bare("onnx::table", 4, 9)


def with_table(kind: str) -> ArchGraph:
    return read([node(kind, ["x", "onnx::table"], "y")], [TABLE], shape=(1, 4, 9))


def test_what_is_done_with_a_fixed_table_counts() -> None:
    kinds = {kind: with_table(kind) for kind in ("Add", "Sub", "Mul", "Div")}
    assert [graph.nodes[-1].attrs["kind"] for graph in kinds.values()] == ["add", "sub", "mul", "div"]
    assert all(APPROXIMATE in graph.nodes[-1].attrs for graph in kinds.values())
    assert len({graph_digest(graph) for graph in kinds.values()}) == 4


def scores(*, declared: bool) -> ArchGraph:
    """Scores, a table that nobody can tell the shape of, and views behind them."""
    nodes = [
        node("NonZero", ["onnx::table"], "places"),
        node("Slice", ["places", "start", "end"], "rows"),
        node("Cast", ["rows"], "row", to=FLOAT),
        node("Add", ["x", "row"], "sum"),
        node("Reshape", ["sum", "split"], "parts"),
        node("Reshape", ["parts", "join"], "joined"),
        node("Relu", ["joined"], "y"),
    ]
    tensors = [TABLE, ints("start", 0), ints("end", 1), ints("split", 1, 2, 2, 9), ints("join", 1, 4, 9)]
    proto = model(nodes, tensors, shape=(1, 4, 9))
    if declared:
        proto.graph.value_info.append(onnx.helper.make_tensor_value_info("sum", FLOAT, [1, 4, 9]))
    return read_onnx(proto.SerializeToString())


@pytest.mark.parametrize("declared", [False, True])
def test_a_shape_that_nobody_can_tell_is_the_one_that_the_file_says(declared: bool) -> None:
    """Two views that undo each other are left out where the shapes are known."""
    assert ("reshape" in ops(scores(declared=declared))) == (not declared)


def test_a_token_that_is_also_added_stays_a_token() -> None:
    nodes = [
        node("MatMul", ["x", "stem.weight"], "tokens"),
        node("Concat", ["cls_token", "tokens"], "joined", axis=1),
        node("MatMul", ["joined", "head.weight"], "mixed"),
        node("Add", ["cls_token", "mixed"], "y"),
    ]
    tensors = [bare("cls_token", 1, 1, 8), bare("stem.weight", 8, 8), bare("head.weight", 8, 8)]
    graph = read(nodes, tensors, shape=(1, 4, 8))
    assert owned(the(graph, "class_token")) == {"weight": ("cls_token", None)}
    assert sum(parameter.name == "cls_token" for part in graph.nodes for parameter in part.params) == 2


def test_rows_in_a_fixed_order_are_a_part() -> None:
    tensors = [full("rows", [[2], [0]], int), bare("onnx::places", 5, 1, data_type=INT64)]
    for name, count in (("rows", 2), ("onnx::places", 5)):
        graph = read([node("GatherND", ["x", name], "z"), node("Relu", ["z"], "y")], tensors, shape=(3, 8))
        rows = graph.nodes[1]
        assert (rows.op, rows.attrs["kind"]) == ("slice", "index") and APPROXIMATE in rows.attrs, count


def test_a_cast_to_the_kind_of_numbers_of_the_features_is_none() -> None:
    nodes = [node("Relu", ["x"], "a"), node("CastLike", ["a", "x"], "b"), node("Neg", ["b"], "y")]
    assert ops(read(nodes)) == ["input", "activation", "unary"]
