"""Cells and codes as other code prints them."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import InvalidArchitecture, InvalidInput, NotConnected, ServiceError
from service.graph_io.digest import graph_digest
from service.graph_io.entries import read_entry
from service.graph_io.printed import plain_document
from service.graph_io.python_text import parse_python
from service.graph_io.read import read_document
from service.predictors.features.network_cost import multiply_adds

PAIRS = [("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("skip_connect", 0), ("dil_conv_3x3", 2)]
GENOTYPE = {
    "normal": [list(pair) for pair in PAIRS],
    "normal_concat": [2, 3],
    "reduce": [list(pair) for pair in PAIRS],
    "reduce_concat": [2, 3],
}
TEXT = f"Genotype(normal={PAIRS}, normal_concat=range(2, 4), reduce={PAIRS}, reduce_concat=[2, 3])"
NESTED = [PAIRS[:2], PAIRS[2:]]
SMALL = {"format": "darts", "channels": 4, "cells": 3}
CELL = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|skip_connect~1|nor_conv_1x1~2|"
# Seven vertices, ten edges, vertex 5 feeds nothing.
UNPRUNED = [
    [0, 1, 1, 1, 1, 1, 0],
    [0, 0, 1, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 1, 0],
    [0, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 0],
]
OPS: list[Any] = ["input", *["conv3x3-bn-relu"] * 5, "output"]


@pytest.mark.parametrize(
    "genotype",
    [
        TEXT,
        f"DARTS_V9 = {TEXT}",
        f"12/10 03:12:55 PM genotype = {TEXT}\n",
        f"Genotype({PAIRS}, range(2, 4), {PAIRS}, range(2, 4))",
        {"normal": NESTED, "normal_concat": [2, 3], "reduce": NESTED, "reduce_concat": [2, 3]},
        {"normal": NESTED, "reduce": PAIRS},
        {"normal": PAIRS, "normal_concat": None, "reduce": PAIRS, "reduce_concat": (2, 3)},
    ],
)
def test_genotypes_of_darts(genotype: Any) -> None:
    if isinstance(genotype, dict):
        genotype = {key: value for key, value in genotype.items() if value is not None}
    expected = graph_digest(read_document({**SMALL, "genotype": GENOTYPE}))
    assert graph_digest(read_document({**SMALL, "genotype": genotype})) == expected
    other_names = {"format": "darts", "init_channels": 4, "layers": 3, "genotype": genotype}
    assert graph_digest(read_document(other_names)) == expected


def test_a_genotype_alone_is_the_network_of_the_paper() -> None:
    whole = {"format": "darts", "genotype": GENOTYPE, "channels": 36, "cells": 20}
    for alone in (TEXT, f"darts:{TEXT}", {"genotype": TEXT}, GENOTYPE, {"format": "darts", "genotype": TEXT}):
        assert graph_digest(read_document(read_entry(alone).document)) == graph_digest(read_document(whole))
    larger = read_document({**SMALL, "genotype": TEXT, "image_size": 64})
    assert larger.input_shape == (3, 64, 64)
    assert larger.num_parameters == read_document({**SMALL, "genotype": TEXT}).num_parameters


@pytest.mark.parametrize(
    "text",
    [
        "Genotype(",
        "Genotype(normal=__import__('os').getcwd())",
        "Genotype(normal=[x for x in range(3)])",
        "Genotype(normal=range(10**9))",
        "Genotype(normal=1+1)",
        "Genotype(" * 5000,
        "f()()",
    ],
)
def test_texts_are_data_and_never_run(text: str) -> None:
    with pytest.raises(InvalidArchitecture) as refused:
        read_document({**SMALL, "genotype": text})
    assert refused.value.extra["field"].startswith("/genotype")
    assert parse_python("{'a': (1, -2.5, None, True)}") == {"a": [1, -2.5, None, True]}
    with pytest.raises(ValueError, match="malformed"):
        parse_python("a.b")


@pytest.mark.parametrize(
    "cell",
    [
        f"Structure(4 nodes with {CELL})",
        [[("nor_conv_3x3", 0)], [("none", 0), ("avg_pool_3x3", 1)],
         [("none", 0), ("skip_connect", 1), ("nor_conv_1x1", 2)]],
        [3, 0, 4, 0, 1, 2],
        "304012",
        ["nor_conv_3x3", "none", "avg_pool_3x3", "none", "skip_connect", "nor_conv_1x1"],
        {"0_1": "conv_3x3", "0_2": "none", "1_2": "avg_pool_3x3", "0_3": "none", "1_3": "skip_connect",
         "2_3": "conv_1x1"},
    ],
)  # fmt: skip
def test_cells_of_nasbench201(cell: Any) -> None:
    assert plain_document({"format": "nasbench201", "cell": cell}) == {"format": "nasbench201", "cell": CELL}


@pytest.mark.parametrize("cell", [[1, 2], [9] * 6, {"0_1": "none"}, 15_625, [[1], [2], [3]], "30401", True])
def test_what_is_no_cell_is_left_to_the_reader(cell: Any) -> None:
    with pytest.raises(ServiceError) as refused:
        read_document({"format": "nasbench201", "cell": cell})
    assert refused.value.extra["field"] == "/cell"


@pytest.mark.parametrize("kind", [int, bool, float, str])
def test_cells_of_nasbench101_before_pruning(kind: Any) -> None:
    matrix: Any = [[kind(entry) for entry in row] for row in UNPRUNED]
    ops: Any = OPS
    if kind is str:  # as a table of pandas holds them
        matrix, ops = str(UNPRUNED), str(OPS)
    graph = read_document({"format": "nasbench101", "matrix": matrix, "ops": ops})
    kept = [0, 1, 2, 3, 6]
    pruned = {
        "format": "nasbench101",
        "matrix": [[UNPRUNED[i][j] for j in kept] for i in kept],
        "ops": [OPS[vertex] for vertex in kept],
    }
    assert graph_digest(graph) == graph_digest(read_document(pruned))


def test_dead_vertices_may_be_many_and_have_no_operation() -> None:
    size = 9
    matrix = [[0] * size for _ in range(size)]
    matrix[0][1] = matrix[1][8] = matrix[0][5] = 1
    ops = ["input", "maxpool3x3", *[None] * 6, "output"]
    plain = plain_document({"format": "nasbench101", "matrix": matrix, "ops": ops})
    assert plain["ops"] == ["input", "maxpool3x3", "output"]
    matrix[1][8] = 0
    with pytest.raises(NotConnected):
        read_document({"format": "nasbench101", "matrix": matrix, "ops": ops})
    dense = [[int(j > i) for j in range(7)] for i in range(7)]
    with pytest.raises(InvalidArchitecture, match="21 edges"):
        read_document({"format": "nasbench101", "matrix": dense, "ops": OPS})


def test_widths_of_nats_bench() -> None:
    document = {"format": "nats_size", "sizes": [8, 16, 24, 32, 40]}
    for text in ("8:16:24:32:40", "nats_size:8:16:24:32:40"):
        assert read_entry(text).document == document
    assert plain_document({"format": "nats_size", "sizes": "8:16:24:32:40"}) == document
    graph = read_document(document)
    assert [parameter.shape[0] for parameter in graph.parameters() if parameter.name == "stem.0.weight"] == [
        8
    ]

    # By hand: stem, a cell, a residual block, a wider cell, a block, a wider cell, norm, classifier.
    def conv(before: int, after: int, kernel: int) -> int:
        return before * after * kernel**2 + 2 * after

    def cell(before: int, after: int) -> int:
        inner = 3 * conv(after, after, 3)
        return 2 * conv(before, after, 3) + inner + (conv(before, after, 1) if before != after else 0)

    def block(before: int, after: int) -> int:
        return conv(before, after, 3) + conv(after, after, 3) + before * after

    expected = conv(3, 8, 3) + cell(8, 8) + block(8, 16) + cell(16, 24) + block(24, 32) + cell(32, 40)
    assert graph.num_parameters == expected + 2 * 40 + 40 * 10 + 10
    for wrong in ("8:16:24:32", [8, 16, 24, 32, 0], "8:16:24:32:x"):
        with pytest.raises(InvalidArchitecture):
            read_document({"format": "nats_size", "sizes": wrong})


@pytest.mark.parametrize(
    ("code", "parameters", "operations"),
    [
        ("11021012", 1_981_386, 58_786_304),
        ("22200120", 1_498_090, 59_869_696),
        ("01002000", 634_218, 28_258_816),
    ],
)
def test_codes_of_nasbench_macro(code: str, parameters: int, operations: int) -> None:
    """Parameters and multiply-adds as the benchmark's table has them."""
    graph = read_document(read_entry(code).document)
    assert (graph.num_parameters, multiply_adds(graph)) == (parameters, operations)
    for other in (int(code), [int(digit) for digit in code]):
        assert plain_document({"format": "nasbench_macro", "code": other})["code"] == code
    with pytest.raises(InvalidArchitecture):
        read_document({"format": "nasbench_macro", "code": "01222213"})
    with pytest.raises(InvalidInput):
        read_entry("0122221")


def test_options_stand_beside_a_genotype() -> None:
    entry = read_entry({"genotype": GENOTYPE, "channels": 4, "cells": 3, "value": 93.1, "seed": 1})
    assert graph_digest(read_document(entry.document)) == graph_digest(
        read_document({**SMALL, "genotype": GENOTYPE})
    )
    assert entry.others == {"value": 93.1, "seed": 1}


# The networks of NNI


def nni(pairs: list[tuple[str, int]], cell: str, *, nested: bool = False) -> dict[str, Any]:
    """As `nni.nas.hub` writes the pairs of a cell."""
    fields: dict[str, Any] = {}
    for place, (operation, state) in enumerate(pairs):
        node, side = 2 + place // 2, place % 2
        fields[f"{cell}/op_{node}_{side}"] = operation
        fields[f"{cell}/input_{node}_{side}"] = [state] if nested else state
    return fields


OLDER = {
    "n2_p0": "sepconv3x3",
    "n2_p1": 3,
    "n2_switch": ["n2_p0", "n2_p1"],
    "n3_p0": "skipconnect",
    "n3_p1": [],
    "n3_p2": "dilconv3x3",
    "n3_switch": ["n3_p0", "n3_p2"],
}


def older(cell: str) -> dict[str, Any]:
    """As NNI's first DARTS trainer writes PAIRS."""
    named = {f"{cell}_{key}": value for key, value in OLDER.items()}
    for node in ("n2", "n3"):
        named[f"{cell}_{node}_switch"] = [f"{cell}_{one}" for one in OLDER[f"{node}_switch"]]  # type: ignore[union-attr]
    return named


@pytest.mark.parametrize(
    "exported",
    [
        {**nni(PAIRS, "normal"), **nni(PAIRS, "reduce")},
        {**nni(PAIRS, "normal", nested=True), **nni(PAIRS, "reduce", nested=True)},
        {**older("normal"), **older("reduce")},
        {**older("normal"), **older("reduce"), "normal_n3_switch": [0, 2]},
    ],
)
def test_dictionaries_of_nni(exported: dict[str, Any]) -> None:
    expected = graph_digest(read_document({**SMALL, "genotype": GENOTYPE}))
    assert graph_digest(read_document({**SMALL, "genotype": exported})) == expected
    assert graph_digest(read_document({"width": 4, "depth": 3, **exported})) == expected
    entry = read_entry({**exported, "channels": 4, "cells": 3, "value": 93.1})
    assert graph_digest(read_document(entry.document)) == expected and entry.others == {"value": 93.1}
    inside = read_entry({"architecture": {**exported, "channels": 4, "cells": 3}, "value": 93.1})
    assert graph_digest(read_document(inside.document)) == expected


def test_a_dictionary_of_nni_that_lacks_something_is_refused() -> None:
    lacking = {**nni(PAIRS, "normal"), **nni(PAIRS, "reduce")}
    del lacking["normal/op_3_1"]
    with pytest.raises(InvalidArchitecture, match="/genotype/normal/3"):
        read_document({**SMALL, "genotype": lacking})


# Numbers and configurations of NAS-Bench-201


@pytest.mark.parametrize(
    ("index", "cell"),
    [  # the benchmark's code asserts these
        (
            0,
            "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
        ),
        (9, "|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"),
        (123, "|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"),
    ],
)
def test_cells_by_their_number(index: int, cell: str) -> None:
    forms: list[Any] = [
        {"format": "nasbench201", "cell": index},
        {"format": "nasbench201", "arch_index": index},
        {"arch_index": index, "value": 90},
        {"arch_index": str(index), "value": 90},
        f"nasbench201:{index}",
    ]
    for form in forms:
        assert read_entry(form).document == {"format": "nasbench201", "cell": cell}
    with_options = read_entry({"arch_index": index, "num_classes": 100, "value": 90})
    assert with_options.document == {"format": "nasbench201", "cell": cell, "num_classes": 100}


def test_a_number_beyond_the_benchmark_is_refused() -> None:
    with pytest.raises(InvalidArchitecture):
        read_document(read_entry({"arch_index": 15_625}).document)


NATS_CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


@pytest.mark.parametrize(
    "document",
    [
        {"format": "nasbench201", "cell": NATS_CELL, "channels": [8, 16, 24, 32, 40], "num_classes": 100},
        {"format": "nasbench201", "cell": NATS_CELL, "channels": "8:16:24:32:40", "num_classes": 100},
        {"name": "infer.shape.tiny", "channels": "8:16:24:32:40", "genotype": NATS_CELL, "num_classes": 100},
    ],
)
def test_five_widths_are_the_size_space(document: dict[str, Any]) -> None:
    expected = {"format": "nats_size", "sizes": [8, 16, 24, 32, 40], "num_classes": 100}
    assert plain_document(document) == expected
    entry = read_entry({**document, "value": 90.0})
    assert (entry.document, entry.others) == (expected, {"value": 90.0})


def test_five_widths_of_another_cell_are_refused() -> None:
    with pytest.raises(InvalidArchitecture, match="/channels"):
        read_document({"format": "nasbench201", "cell": CELL, "channels": [8, 16, 24, 32, 40]})


def test_the_configuration_of_a_network_of_the_benchmark() -> None:
    config = {"name": "infer.tiny", "C": 8, "N": 2, "arch_str": CELL, "num_classes": 100}
    expected = {
        "format": "nasbench201",
        "cell": CELL,
        "channels": 8,
        "cells_per_stage": 2,
        "num_classes": 100,
    }
    assert plain_document(config) == expected
    entry = read_entry({**config, "accuracy": 70.1})
    assert (entry.document, entry.others) == (expected, {"accuracy": 70.1})
