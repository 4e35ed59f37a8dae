"""Entries of lists, and short texts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.errors import InvalidArchitecture, InvalidInput
from service.graph_io.entries import common_space, read_entry
from service.graph_io.fields import Place
from service.graph_io.short_texts import parse_line, parse_short_text

CELL = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|skip_connect~1|none~2|"
DOCUMENT = {"format": "nasbench201", "cell": CELL}


@pytest.mark.parametrize(
    ("value", "others"),
    [
        (DOCUMENT, {}),
        ({**DOCUMENT, "value": 93.1, "epochs": 200}, {"value": 93.1, "epochs": 200}),
        ({"architecture": DOCUMENT, "value": 93.1}, {"value": 93.1}),
        ({"architecture": f"nasbench201:{CELL}", "channels": 3}, {"channels": 3}),
        ({"arch": CELL, "value": None}, {"value": None}),
        ({"cell": CELL, "accuracy": 1}, {"accuracy": 1}),
        (f"nasbench201:{CELL}", {}),
        (CELL, {}),
    ],
)
def test_one_architecture_in_many_forms(value: Any, others: dict[str, Any]) -> None:
    entry = read_entry(value)
    assert dict(entry.document) == DOCUMENT
    assert dict(entry.others) == others


@pytest.mark.parametrize("line", [CELL, f" {CELL}\r", "12201220", "8:16:24:32:40", "torchvision:alexnet"])
def test_a_line_may_be_a_short_text(line: str) -> None:
    assert parse_line(line) == parse_line(line.encode()) == line.strip()
    assert read_entry(parse_line(line)) == read_entry(line)


@pytest.mark.parametrize("line", ['{"format": "torchvision"}', '"torchvision:alexnet"', "12"])
def test_a_line_may_be_json(line: str) -> None:
    assert parse_line(line) == parse_line(line.encode()) == json.loads(line)


def test_a_line_of_neither_kind() -> None:
    with pytest.raises(InvalidInput):
        parse_line("resnet fifty")


def test_options_in_columns_beside_a_text() -> None:
    entry = read_entry({"arch": CELL, "channels": 32, "num_classes": 100, "seed": 1})
    assert dict(entry.document) == {**DOCUMENT, "channels": 32, "num_classes": 100}
    assert dict(entry.others) == {"seed": 1}


def test_fields_that_say_the_format() -> None:
    entry = read_entry({"matrix": "110101", "ops": "I3MO", "value": 0.9})
    assert dict(entry.document) == {"format": "nasbench101", "matrix": "110101", "ops": "I3MO"}
    assert dict(entry.others) == {"value": 0.9}


def test_what_is_no_entry_is_refused() -> None:
    with pytest.raises(InvalidArchitecture, match="an object, not a number"):
        read_entry(7)
    with pytest.raises(InvalidInput, match="is not an architecture"):
        read_entry("resnet")
    with pytest.raises(InvalidArchitecture, match="lacks the key 'architecture'") as refused:
        read_entry({"value": 1}, Place() / "observations" / 3)
    assert refused.value.extra["field"] == "/observations/3/architecture"
    # A slip of the pen is no metadata.
    with pytest.raises(InvalidArchitecture, match="chanels") as refused:
        read_entry({**DOCUMENT, "chanels": 32})
    assert "channels" in refused.value.extra["hint"]


def test_a_document_as_text() -> None:
    assert parse_short_text('{"format": "torchvision", "name": "resnet18"}') == {
        "format": "torchvision",
        "name": "resnet18",
    }


def test_a_common_space_is_that_of_all() -> None:
    cell = "nasbench201:" + "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    sizes = "nats_size:8:16:24:32:40"
    assert common_space([cell, {"architecture": cell, "value": 1.0}]) == "nasbench201"
    for entries in ([], [cell, sizes], [cell, "what"], ["torchvision:resnet18"] * 2):
        assert common_space(entries) is None


def test_networks_of_any_kind_are_of_no_space_and_are_not_all_read() -> None:
    graph = {"format": "graph", "input_shape": [1], "nodes": []}
    entries = iter([graph, graph, graph])
    assert common_space(entries) is None and len(list(entries)) == 2
