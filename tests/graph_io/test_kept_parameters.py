"""Parameters that their owner keeps (requires_grad=False) are part of the graph, and not answered."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from service.errors import InvalidArchitecture
from service.executor.networks import Network
from service.ghn.config import GHN2_CIFAR10
from service.ghn.model import GHN
from service.ghn.predict import predict_blocks
from service.graph_io.archgraph import ArchGraph
from service.graph_io.digest import graph_digest
from service.graph_io.json_reader import read_json_graph
from service.graph_io.json_writer import graph_document
from service.graph_io.primitives import Decoding, to_primitives
from service.graph_io.torch_tracer import trace
from service.predictors.features.networks import network_features


def backbone_and_head() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip


def frozen(model: nn.Sequential, *places: int) -> ArchGraph:
    for place in places:
        model[place].requires_grad_(False)
    return trace(model, input_shape=(3, 32, 32))


@pytest.fixture(scope="module")
def ghn() -> GHN:
    torch.manual_seed(0)
    return GHN(GHN2_CIFAR10).eval()


def test_a_frozen_backbone_is_seen_and_not_answered(ghn: GHN) -> None:
    free, graph = trace(backbone_and_head(), input_shape=(3, 32, 32)), frozen(backbone_and_head(), 0, 1)
    assert [p.name for p in graph.parameters()] == ["5.weight", "5.bias"]
    assert [p.name for p in graph.all_parameters()] == [p.name for p in free.parameters()]
    assert graph.num_parameters == 36

    seen, whole = to_primitives(graph), to_primitives(free)
    assert (seen.names, seen.shapes, seen.predecessors) == (whole.names, whole.shapes, whole.predecessors)
    assert [target.decoding for target in seen.targets] == [Decoding.CLASS_WEIGHT, Decoding.CLASS_BIAS]
    assert network_features(graph) == network_features(free)

    answer, all_answers = predict_blocks(ghn, graph).expand(), predict_blocks(ghn, free).expand()
    assert answer.keys() == {"5.weight", "5.bias"}
    for name, values in answer.items():
        assert (values == all_answers[name]).all()


def test_the_last_layer_is_no_classifier_because_the_true_one_is_frozen() -> None:
    targets = to_primitives(frozen(backbone_and_head(), 5)).targets
    assert {target.decoding for target in targets} == {
        Decoding.WEIGHT, Decoding.BIAS, Decoding.NORM_WEIGHT, Decoding.NORM_BIAS,
    }  # fmt: skip


def test_a_frozen_table_and_an_unread_frozen_parameter() -> None:
    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.zeros(5, 8), requires_grad=False)
            self.teacher = nn.Linear(8, 8).requires_grad_(False)
            self.head = nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x + self.table)

    graph = trace(Positions(), input_shape=(5, 8))
    assert {p.name for p in graph.parameters()} == {"head.weight", "head.bias"}
    assert {p.name: p.trainable for p in graph.unattached} == {"teacher.weight": False, "teacher.bias": False}


def test_a_tied_parameter_is_kept_in_both_places() -> None:
    model = nn.Sequential(nn.Embedding(6, 4), nn.Linear(4, 6, bias=False), nn.Softmax(-1))
    model[1].weight = model[0].weight
    model[0].weight.requires_grad_(False)
    graph = trace(model, input_shape=(5,))
    assert [p.trainable for node in graph.nodes for p in node.params] == [False, False]


def test_the_format_says_it_and_the_digest_depends_on_it() -> None:
    graph = frozen(backbone_and_head(), 0)
    document = graph_document(graph)
    assert read_json_graph(document) == graph
    (conv,) = [node for node in document["nodes"] if node["op"] == "conv"]
    assert conv["params"]["weight"] == {"name": "0.weight", "shape": [8, 3, 3, 3], "trainable": False}
    assert graph_digest(graph) != graph_digest(trace(backbone_and_head(), input_shape=(3, 32, 32)))
    conv["params"]["weight"]["trainable"] = "no"
    with pytest.raises(InvalidArchitecture, match="must be true or false") as caught:
        read_json_graph(document)
    assert caught.value.extra["field"].endswith("/params/weight/trainable")


def test_one_tensor_is_trainable_or_not() -> None:
    document = graph_document(trace(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), input_shape=(4,)))
    first, second = (node["params"] for node in document["nodes"] if node["op"] == "linear")
    second["weight"] = {**first["weight"], "trainable": False}
    with pytest.raises(InvalidArchitecture, match="trainable in one place"):
        read_json_graph(document)


def test_nothing_to_predict_and_nothing_to_run(ghn: GHN) -> None:
    graph = frozen(backbone_and_head(), 0, 1, 5)
    with pytest.raises(InvalidArchitecture, match="No parameter of the network is trainable") as caught:
        predict_blocks(ghn, graph)
    assert "requires_grad_(True)" in caught.value.extra["hint"]
    with pytest.raises(InvalidArchitecture, match=r"'0\.weight' is not trainable") as caught:
        Network(frozen(backbone_and_head(), 0))
    assert caught.value.extra["hint"]
