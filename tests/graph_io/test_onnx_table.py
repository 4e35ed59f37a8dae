"""The table of ONNX operators: every operator of the standard is in it, and a row is all that one takes."""

from __future__ import annotations

import onnx
import pytest

from service.errors import UnsupportedOperator
from service.graph_io.archgraph import ArchGraph
from service.graph_io.attributes import APPROXIMATE
from service.graph_io.onnx import shapes
from service.graph_io.onnx.exact import arithmetic
from service.graph_io.onnx.row import Fact, Row, Signal
from service.graph_io.onnx.table import TABLE
from service.graph_io.onnx_reader import read_onnx
from tests.graph_io.onnx_models import model, node

STANDARD = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if not schema.domain}


def read(kind: str) -> ArchGraph:
    return read_onnx(model([node(kind, ["x"], "y", name="new")]).SerializeToString())


def test_every_operator_of_the_standard_has_a_row() -> None:
    assert not STANDARD - set(TABLE), "decide what they are: a row each in service/graph_io/onnx/table.py"
    retired = {name for name, row in TABLE.items() if Fact.RETIRED in row.facts}
    assert set(TABLE) - STANDARD == retired


@pytest.mark.parametrize("name", TABLE)
def test_a_row_does_not_contradict_itself(name: str) -> None:
    row = TABLE[name]
    assert set(row.states) <= set(row.weights) and set(row.starts) <= set(row.weights)
    assert Fact.LAYER not in row.facts or row.weights
    assert Fact.ALIAS not in row.facts or Fact.VIEW in row.facts
    assert Fact.PASSES not in row.facts or row.signal is Signal.FIRST
    assert row.signal is not Signal.NONE or not (row.build or row.exact or row.node)


def test_a_row_is_all_that_an_operator_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = read("Acos").nodes[1]
    assert (before.op, before.attrs["kind"]) == ("unary", "acos")
    assert "Acos" in str(before.attrs[APPROXIMATE])
    monkeypatch.setitem(TABLE, "Acos", Row(exact=arithmetic.unary("neg"), shape=shapes.same))
    assert read("Acos").nodes[1].attrs == {"kind": "neg"}


def test_an_operator_that_nobody_listed_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(TABLE, "Relu")
    relu = read("Relu").nodes[1]
    assert relu.op == "unary" and "Relu" in str(relu.attrs[APPROXIMATE])


def test_what_is_no_operator_of_onnx_is_refused() -> None:
    with pytest.raises(UnsupportedOperator, match="NoSuchThing"):
        read("NoSuchThing")
