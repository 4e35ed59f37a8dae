"""DARTS documents: known sizes, structure, and what is refused."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from service.errors import InvalidArchitecture
from service.graph_io.cells.darts import read_darts
from service.graph_io.operators import Primitive
from service.graph_io.primitives import to_primitives

# The second-order DARTS cells (Liu et al. 2019, figure 4).
DARTS = {
    "normal": [
        ["sep_conv_3x3", 0], ["sep_conv_3x3", 1], ["sep_conv_3x3", 0], ["sep_conv_3x3", 1],
        ["sep_conv_3x3", 1], ["skip_connect", 0], ["skip_connect", 0], ["dil_conv_3x3", 2],
    ],
    "normal_concat": [2, 3, 4, 5],
    "reduce": [
        ["max_pool_3x3", 0], ["max_pool_3x3", 1], ["skip_connect", 2], ["max_pool_3x3", 1],
        ["max_pool_3x3", 0], ["skip_connect", 2], ["skip_connect", 2], ["max_pool_3x3", 1],
    ],
    "reduce_concat": [2, 3, 4, 5],
}  # fmt: skip
VIT = {
    "normal": [["none", 0], ["msa", 1]],
    "normal_concat": [2],
    "reduce": [["none", 0], ["avg_pool_3x3", 1]],
    "reduce_concat": [2],
}


def cell(*operations: str) -> dict[str, Any]:
    pairs = [[operation, index % 2] for index, operation in enumerate(operations)]
    return {
        "normal": pairs,
        "normal_concat": [2],
        "reduce": [["max_pool_3x3", 0], ["skip_connect", 1]],
        "reduce_concat": [2],
    }


def document(genotype: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"format": "darts", "genotype": genotype, "channels": 16, "cells": 6, **options}


def test_darts_has_the_size_of_the_paper() -> None:
    graph = read_darts(document(DARTS, channels=36, cells=20))
    assert round(graph.num_parameters / 1e6, 1) == 3.3
    assert len(to_primitives(graph)) == 794


def test_parameters_have_the_usual_names_and_shapes() -> None:
    shapes = {p.name: p.shape for p in read_darts(document(DARTS)).parameters()}
    assert shapes["stem.0.weight"] == (48, 3, 3, 3)
    assert shapes["cells.0.preprocess0.op.1.weight"] == (16, 48, 1, 1)
    assert shapes["cells.0._ops.0.op.1.weight"] == (16, 1, 3, 3)
    assert shapes["cells.3.preprocess0.conv_2.weight"] == (16, 64, 1, 1)
    assert shapes["classifier.0.weight"] == (10, 256)


def test_attention_networks_have_a_position_table_and_keep_their_resolution() -> None:
    graph = read_darts(document(VIT, channels=128, cells=12, preprocess=False, channel_multiplier=1))
    shapes = {p.name: p.shape for p in graph.parameters()}
    assert shapes["pos_enc.weight"] == (1, 128, 11, 11)
    assert shapes["cells.0._ops.1.to_qkv.weight"] == (384, 128)
    strides = {node.attrs["stride"] for node in graph.nodes if node.op == "avg_pool"}
    assert strides == {(1, 1)}
    counts = Counter(int(p) for p in to_primitives(graph).primitive_N)
    assert counts[Primitive.MSA] == 10
    assert counts[Primitive.POS_ENC] == 1


def test_modules_behind_none_are_unattached() -> None:
    graph = read_darts(document(cell("none", "conv_3x3"), preprocess=True))
    unread = {p.name for p in graph.unattached}
    assert "cells.0.preprocess0.op.1.weight" in unread
    assert unread.isdisjoint(p.name for node in graph.nodes for p in node.params)
    names = {p.name for p in graph.parameters()}
    assert unread < names


def test_a_state_that_nothing_reaches_is_zeros_in_a_concatenation() -> None:
    genotype = cell("none", "none", "conv_1x1", "conv_1x1")
    genotype["normal_concat"] = [2, 3]
    genotype["reduce"], genotype["reduce_concat"] = genotype["reduce"] * 2, [2, 3]
    graph = read_darts(document(genotype))
    zeros = [node for node in graph.nodes if node.op == "constant"]
    assert zeros and {node.attrs["channels"] for node in zeros} == {16, 32, 64}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cells": 0}, "/cells"),
        ({"channels": "16"}, "/channels"),
        ({"norm": "layer"}, "/norm"),
        ({"stem_kernel": 4}, "/stem_kernel"),
        ({"colour": "red"}, "/colour"),
        ({"genotype": None}, "/genotype"),
        ({"genotype": cell("conv_9x9", "none")}, "/genotype/normal/0/0"),
        ({"genotype": cell("none", "none")}, "/genotype"),
        (
            {"genotype": {**cell("none", "conv_1x1"), "normal": [["conv_1x1", 0], ["conv_1x1", 2]]}},
            "/genotype/normal/1/1",
        ),
        ({"genotype": {**cell("none", "conv_1x1"), "normal_concat": [7]}}, "/genotype/normal_concat/0"),
        ({"preprocess": False}, "/preprocess"),
        ({"genotype": VIT, "channels": 12}, "/channels"),
    ],
)
def test_refusals_name_the_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArchitecture) as refused:
        read_darts({**document(DARTS), **change})
    assert refused.value.extra["field"] == field


SHARED = os.environ.get("WEIGHTCAST_SHARED_DIR")


def from_reference(arguments: dict[str, Any], channels: int, num_classes: int) -> dict[str, Any]:
    """A document from the keyword arguments of the reference's network class."""
    return {
        "format": "darts",
        "genotype": arguments["genotype"],
        "channels": channels,
        "cells": arguments["n_cells"],
        "num_classes": num_classes,
        "input": "imagenet" if num_classes == 1000 else "cifar",
        "stem": "strided" if arguments.get("stem_type") else "plain",
        "stem_kernel": arguments.get("ks", 3),
        "stem_pool": arguments.get("stem_pool", False),
        "norm": "batch" if arguments.get("norm", "bnorm") else "none",
        "preprocess": arguments.get("preproc", True),
        "channel_multiplier": arguments.get("C_mult", 2),
        "global_pool": arguments.get("glob_avg", True),
        "fc_layers": arguments.get("fc_layers", 1),
        "fc_dim": arguments.get("fc_dim", 256),
    }


@pytest.mark.skipif(SHARED is None, reason="WEIGHTCAST_SHARED_DIR is unset")
def test_two_hundred_reference_networks_have_as_many_parameters() -> None:
    assert SHARED is not None
    rows = json.loads((Path(SHARED) / "parity/train/net_args_200.json").read_text())
    for row in rows:
        graph = read_darts(from_reference(row, 32, 10))
        assert graph.num_parameters == row["num_params"]["cifar10"]
        primitives = to_primitives(graph)
        # The reference drops some squeeze-and-excite and attention nodes.
        dropped = sum(int(p) in (Primitive.CSE, Primitive.MSA) for p in primitives.primitive_N)
        assert len(primitives) - dropped <= row["num_nodes"] <= len(primitives)


@pytest.mark.skipif(SHARED is None, reason="WEIGHTCAST_SHARED_DIR is unset")
@pytest.mark.parametrize(
    "name", ["DARTS", "ViT", "random_005", "random_012", "random_018", "random_074", "random_154"]
)
@pytest.mark.parametrize("part", ["c10_ve1", "in1k_ve50"])
def test_graphs_agree_with_the_reference(name: str, part: str) -> None:
    assert SHARED is not None
    with gzip.open(Path(SHARED) / f"parity/graph__{name}__{part}.json.gz") as file:
        fixture = json.load(file)
    arguments = fixture["how"]
    genotype = {"DARTS": DARTS, "ViT": VIT}.get(name, arguments["genotype"])
    ours = to_primitives(
        read_darts(
            from_reference({**arguments, "genotype": genotype}, arguments["C"], arguments["num_classes"])
        )
    )
    owned = {
        name: (kind, tuple(shape))
        for name, kind, shape in zip(
            fixture["raw_names"], fixture["primitives"], fixture["param_shapes"], strict=True
        )
        if name.endswith((".weight", ".bias"))
    }
    mine = {
        name: (Primitive(int(kind)).name.lower(), shape)
        for name, kind, shape in zip(ours.names, ours.primitive_N, ours.shapes, strict=True)
        if name.endswith((".weight", ".bias"))
    }
    assert mine == owned
    missing = Counter(Primitive(int(p)).name.lower() for p in ours.primitive_N)
    missing.subtract(fixture["primitives"])
    assert {kind for kind, count in missing.items() if count} <= {"msa", "cse"}
