"""Our GHNs against numbers that the published reference implementation computed.

The fixtures are not part of the project; point WEIGHTCAST_SHARED_DIR at a folder that has them under
`parity/`. Each case feeds the reference's own graph: what is tested here is the GNN and the decoders. The
readers' graphs are compared in tests/graph_io.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch

from service.ghn.batch import GraphBatch
from service.ghn.checkpoint import import_reference
from service.ghn.model import GHN
from service.ghn.predict import predict_blocks
from service.graph_io.archgraph import Parameter
from service.graph_io.operators import Primitive
from service.graph_io.primitives import Decoding, PrimitiveGraph, Target
from service.graph_io.torch_tracer import trace_torchvision

SHARED = os.environ.get("WEIGHTCAST_SHARED_DIR")
PARITY = Path(SHARED) / "parity" if SHARED else Path("absent")
# Numbers of GHN-3 are in a folder of their own.
CASES = sorted(path.stem.split("__")[1:] for path in PARITY.glob("**/emb__*.npy"))
TOLERANCE = 1e-4

pytestmark = pytest.mark.skipif(not CASES, reason="WEIGHTCAST_SHARED_DIR is not set: no reference fixtures")


def fixture_file(name: str) -> Path:
    (path,) = PARITY.glob(f"**/{name}")
    return path


def load(name: str) -> Any:
    return json.loads(gzip.decompress(fixture_file(name).read_bytes()))


@cache
def reference(checkpoint: str) -> GHN:
    path = fixture_file(f"{checkpoint}.pt*")
    if path.suffix != ".gz":
        return import_reference(path)
    with TemporaryDirectory() as folder:
        unpacked = Path(folder) / path.stem
        unpacked.write_bytes(gzip.decompress(path.read_bytes()))
        return import_reference(unpacked)


def variant_of(checkpoint: str) -> str:
    """Of the graph's fixture: the data's classes, and virtual edges."""
    if checkpoint.startswith("ghn3"):
        return "c10_ghn3"
    return "in1k_ve50" if "imagenet" in checkpoint else "c10_ve1" if "ghn1" in checkpoint else "c10_ve50"


def reference_graph(
    model: str, variant: str, shapes: Mapping[str, list[int]]
) -> tuple[PrimitiveGraph, list[list[int]]]:
    """shapes: of the network's own parameters. Nodes have those of convolutions and maps."""
    fixture = load(f"graph__{model}__{variant}.json.gz")
    predecessors: list[list[int]] = [[] for _ in fixture["primitives"]]
    for source, target, distance in fixture["edges"]:
        if distance == 1:
            predecessors[target].append(source)
    targets = {
        t.parameter.name: t
        for cell in fixture["node_info"]
        for entry in cell
        for t in parameter_targets(*entry[:3], shapes.get(entry[1], entry[3]), *entry[4:])
    }
    graph = PrimitiveGraph(
        primitive_N=np.array([Primitive[name.upper()] for name in fixture["primitives"]]),
        shapes=tuple(None if shape is None else tuple(shape) for shape in fixture["param_shapes"]),
        predecessors=tuple(map(tuple, predecessors)),
        names=tuple(map(str, range(len(predecessors)))),
        cells=(-1,) * len(predecessors),
        targets=tuple(targets.values()),
    )
    return graph, fixture["edges"]


def parameter_targets(
    node: int, name: str, kind: str, shape: list[int] | None, last_weight: bool, last_bias: bool
) -> Iterator[Target]:
    if kind in ("bn", "ln"):
        yield Target(Parameter(name, tuple(shape)), Decoding.NORM_WEIGHT, node, kind)
        yield Target(
            Parameter(name.removesuffix("weight") + "bias", tuple(shape)), Decoding.NORM_BIAS, node, kind
        )
    elif kind == "bias":
        yield Target(
            Parameter(name, tuple(shape)), Decoding.CLASS_BIAS if last_bias else Decoding.BIAS, node, kind
        )
    elif kind == "pos_enc":
        yield Target(Parameter(name, tuple(shape)), Decoding.POSITION, node, kind)
    elif kind in ("conv", "sep_conv", "dil_conv"):
        yield Target(
            Parameter(name, tuple(shape)),
            Decoding.CLASS_WEIGHT if last_weight else Decoding.WEIGHT,
            node,
            kind,
        )


@pytest.mark.parametrize(("checkpoint", "model"), CASES)
def test_embeddings_and_parameters(checkpoint: str, model: str) -> None:
    wanted = load(f"params__{checkpoint}__{model}.json.gz")["params"]
    variant = variant_of(checkpoint)
    graph, edges = reference_graph(model, variant, {entry["name"]: entry["shape"] for entry in wanted})
    ghn = reference(checkpoint)
    if not variant.endswith("ve1"):
        distance_NN = np.zeros((len(graph), len(graph)), dtype=np.uint8)
        for source, target, distance in edges:
            distance_NN[target, source] = distance
        np.testing.assert_array_equal(graph.distances(50), distance_NN)

    batch = GraphBatch.from_graphs([graph], ghn.config)
    with torch.no_grad():
        states = ghn.embed(batch).numpy()[batch.rows[0]]
        (tensors,) = ghn.predict_tensors(batch)
    expected = np.load(fixture_file(f"emb__{checkpoint}__{model}.npy"))
    assert np.abs(states - expected).max() <= TOLERANCE * np.abs(expected).max()

    for entry in wanted:
        value = tensors[entry["name"]].numpy()
        assert list(value.shape) == entry["shape"], entry["name"]
        error = np.abs(value.ravel()[entry["idx"]] - np.array(entry["val"])).max()
        assert error <= TOLERANCE * entry["absmax"], entry["name"]


TORCHVISION = (
    "resnet18", "resnet50", "vgg16_bn", "densenet121", "mobilenet_v2", "squeezenet1_1", "convnext_tiny",
    "vit_b_16",
)  # fmt: skip
# The graph that GHN-3's code makes of it has a classifier, ours, like GHN-2's, has none.
OTHER_GRAPH = {("ghn3", "squeezenet1_1")}


@pytest.mark.parametrize(
    ("checkpoint", "model"),
    [case for case in CASES if case[1] in TORCHVISION and (case[0][:4], case[1]) not in OTHER_GRAPH],
)
def test_parameters_from_our_own_graph(checkpoint: str, model: str) -> None:
    """The whole way: our tracer, our graph, our answer, every parameter of the network."""
    ghn = reference(checkpoint)
    graph = trace_torchvision(model, num_classes=ghn.config.num_classes)
    answer = predict_blocks(ghn, graph)
    for entry in load(f"params__{checkpoint}__{model}.json.gz")["params"]:
        value = answer.blocks[entry["name"]].expand()
        assert list(value.shape) == entry["shape"], entry["name"]
        error = np.abs(value.ravel()[entry["idx"]] - np.array(entry["val"])).max()
        assert error <= TOLERANCE * entry["absmax"], entry["name"]
