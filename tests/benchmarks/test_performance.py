"""What the performance tables are counted from."""

from __future__ import annotations

import pytest

from benchmarks.performance.large_inputs import deep_graph, wide_graph
from benchmarks.performance.tables import bytes_text, table
from benchmarks.performance.work import decoder_multiply_adds, gnn_multiply_adds
from service.ghn.config import GHNConfig
from service.graph_io.primitives import to_primitives
from service.graph_io.read import read_document


def layer(name: str, op: str, source: str, *shape: int) -> dict[str, object]:
    weight = {"name": f"{name}.weight", "shape": list(shape)}
    return {"name": name, "op": op, "inputs": [source], "params": {"weight": weight}}


LAYERS = {
    "format": "graph",
    "input_shape": [3, 32, 32],
    "nodes": [
        {"name": "x", "op": "input"},
        layer("a", "conv", "x", 8, 3, 5, 5),
        layer("b", "conv", "a", 99, 8, 1, 1),
        layer("n", "batch_norm", "b", 99),
    ],
}


def test_arithmetic_is_counted_by_hand() -> None:
    graph, config = to_primitives(read_document(LAYERS)), GHNConfig()
    # A GRU cell of 32 has 6 x 32 x 32, two message MLPs of 16 inside 2 x 2 x 32 x 16; a chain of four nodes
    # has three edges and six paths.
    assert gnn_multiply_adds(graph, config) == 2 * (4 * (6 * 1024 + 2048) + (3 + 6) * 32)
    # Positions x (128 x 32 + 256 x 128 + 256 x block); of b the corner of 64 x 8.
    first = 25 * (128 * 32 + 256 * 128 + 256 * 8 * 3)
    assert decoder_multiply_adds(graph, config) == first + 128 * 32 + 256 * 128 + 256 * 64 * 8


def test_large_inputs_are_networks_of_their_size() -> None:
    assert len(read_document(deep_graph(1000)).nodes) in range(996, 1005)
    assert read_document(wide_graph()).num_parameters == 1_000_000_000


@pytest.mark.parametrize(("count", "text"), [(12, "12 B"), (3_900_987_184, "3.9 GB"), (663_952, "664 kB")])
def test_sizes_in_words(count: int, text: str) -> None:
    assert bytes_text(count) == text


def test_tables_are_markdown() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
