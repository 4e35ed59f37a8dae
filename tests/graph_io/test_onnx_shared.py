"""Files made by others, and the reference's own graphs of the same networks (in a folder not shipped)."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from service.errors import UnsupportedOperator
from service.graph_io.archgraph import ArchGraph
from service.graph_io.onnx_reader import read_onnx
from service.graph_io.operators import Primitive
from service.graph_io.primitives import to_primitives

SHARED = os.environ.get("WEIGHTCAST_SHARED_DIR")
pytestmark = pytest.mark.skipif(SHARED is None, reason="WEIGHTCAST_SHARED_DIR is unset")

EXPORTS = ("dynamo_noopt_rnd_eval", "dynamo_noopt_rnd_train", "dynamo_rnd_eval", "ts_default_rnd_eval")
KEPT = ("dynamo_noopt_rnd_eval", "dynamo_noopt_rnd_train", "ts_eval", "ts_rnd_eval", "ts_train")
# Tensors and numbers of the parameters in each file.
OTHERS = {
    "ch_ppocr_mobile_v2.0_cls_infer": (143, 129_356),
    "light_resnet50": (161, 25_557_032),
    "light_squeezenet": (52, 1_235_496),
    "mnist": (6, 5_994),
    "ultraface_version-slim-320": (109, 260_188),
}


def load(path: Path) -> ArchGraph:
    data = path.read_bytes()
    return read_onnx(gzip.decompress(data) if path.suffix == ".gz" else data)


def export(model: str, exporter: str) -> ArchGraph:
    folder = Path(SHARED or "") / "parity" / "onnx"
    (path,) = [*folder.glob(f"{model}__{exporter}.onnx"), *folder.glob(f"{model}__{exporter}.onnx.gz")]
    return load(path)


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_others(name: str) -> None:
    graph = load(Path(SHARED or "") / "data" / "onnx" / f"{name}.onnx")
    assert (len(list(graph.parameters())), graph.num_parameters) == OTHERS[name]


def test_custom_operators_are_refused() -> None:
    with pytest.raises(UnsupportedOperator, match="DecodeImage"):
        load(Path(SHARED or "") / "data" / "onnx" / "superres_prepost_op18.onnx")


def fingerprint(labels: Sequence[tuple[str, str]], sources: Sequence[Sequence[int]]) -> Counter[int]:
    """A multiset of what each node sees before and behind it, independent of the order of nodes."""
    readers: list[list[int]] = [[] for _ in labels]
    for node, read in enumerate(sources):
        for source in read:
            readers[source].append(node)
    before: list[int] = []
    for node, label in enumerate(labels):
        before.append(hash((label, tuple(sorted(before[source] for source in sources[node])))))
    behind = [0] * len(labels)
    for node in reversed(range(len(labels))):
        behind[node] = hash((labels[node], tuple(sorted(behind[reader] for reader in readers[node]))))
    return Counter(hash(pair) for pair in zip(before, behind, strict=True))


def named(kind: str, name: str) -> tuple[str, str]:
    return kind, name if kind in ("conv", "sep_conv", "dil_conv", "bias", "bn", "ln") else ""


@pytest.mark.parametrize("exporter", KEPT)
@pytest.mark.parametrize("model", ["resnet18", "resnet50", "mobilenet_v2", "random_005"])
def test_the_reference_s_graph(model: str, exporter: str) -> None:
    with gzip.open(Path(SHARED or "") / "parity" / f"graph__{model}__c10_ve1.json.gz") as file:
        reference = json.load(file)
    sources: list[list[int]] = [[] for _ in reference["primitives"]]
    for start, end, _ in reference["edges"]:
        sources[end].append(start)
    labels = [named(*pair) for pair in zip(reference["primitives"], reference["raw_names"], strict=True)]
    ours = to_primitives(export(model, exporter))
    kinds = [Primitive(value).name.lower() for value in ours.primitive_N]
    our_labels = [named(*pair) for pair in zip(kinds, ours.names, strict=True)]
    assert fingerprint(our_labels, ours.predecessors) == fingerprint(labels, sources)


@pytest.mark.parametrize("exporter", [*KEPT, *EXPORTS])
def test_vision_transformer(exporter: str) -> None:
    graph = export("vit_b_16", exporter)
    ops = Counter(node.op for node in graph.nodes)
    assert ops["attention"] == 12 and ops["layer_norm"] == 25 and ops["activation"] == 12
    assert ops["position"] == 1 and ops["class_token"] == 1
    assert len(list(graph.parameters())) == 152 and graph.num_parameters == 86_567_656
    # Attention that can be run keeps its reshapes; what a GHN sees is the same.
    assert len(to_primitives(graph)) == len(to_primitives(export("vit_b_16", "ts_eval")))
