"""HyperNAS: cells as graphs, the encoder against plain loops, generated weights, the model folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.errors import InvalidArchitecture, InvalidInput, InvalidRequest
from service.executor.networks import Network
from service.graph_io.cells import nasbench101, nasbench201
from service.models.catalog import list_cards
from service.predictors.hypernas.batch import batch_of_rows, cell_row, make_batch
from service.predictors.hypernas.cell_graph import REDUCTIONS, CellGraph, of_nasbench201, read_cell
from service.predictors.hypernas.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from service.predictors.hypernas.config import HyperNASConfig
from service.predictors.hypernas.encoder import BidirectionalConvolution, pool
from service.predictors.hypernas.model import HyperNAS
from service.predictors.hypernas.small_network import small_network
from service.predictors.rankers.ranking import Candidate, find_ranker, rank
from service.settings import get_settings
from training.hypernas.cells import random_cell

FULL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"
# Nothing leaves node 1, so what leads there cannot matter.
DEAD_END = "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
CELL_101 = {"format": "nasbench101", "matrix": "110101", "ops": "I3MO"}
SMALL = {"hidden": 8, "regressor_hidden": 8, "hypernetwork_hidden": 8}


def document(cell: str) -> dict[str, str]:
    return {"format": "nasbench201", "cell": cell}


def model(seed: int = 0, **options: Any) -> HyperNAS:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return HyperNAS(HyperNASConfig(**{**SMALL, **options}))


def some_cells(count: int, space: str = "nasbench201") -> list[CellGraph]:
    random = np.random.default_rng(0)
    return [read_cell(random_cell(space, random), space, prune=True) for _ in range(count)]


def test_operations_on_edges_become_nodes() -> None:
    written = read_cell(document(FULL), "nasbench201", prune=False)
    assert written.operations == (
        "input",
        "conv3x3",
        "conv1x1",
        "skip",
        "none",
        "avg_pool",
        "conv3x3",
        "output",
    )
    # conv3x3 ends at node 1 of the cell, where the skip and the pool begin.
    assert written.edges == ((0, 1), (0, 2), (0, 4), (1, 3), (1, 5), (2, 6), (3, 6), (4, 7), (5, 7), (6, 7))
    pruned = read_cell(document(FULL), "nasbench201", prune=True)
    assert pruned.operations == tuple(name for name in written.operations if name != "none")


def test_what_cannot_matter_is_left_out() -> None:
    pruned = read_cell(document(DEAD_END), "nasbench201", prune=True)
    assert pruned.operations == ("input", "conv1x1", "skip", "conv3x3", "output")
    assert pruned.edges == ((0, 1), (0, 2), (1, 3), (2, 4), (3, 4))
    nothing = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    assert read_cell(document(nothing), "nasbench201", prune=True) == CellGraph(("input", "output"), ())
    found = read_cell(CELL_101, "nasbench101", prune=True)
    assert found == CellGraph(("input", "conv3x3", "max_pool", "output"), ((0, 1), (0, 2), (1, 2), (2, 3)))


def genotype(normal: list[Any], reduce: list[Any], **concat: Any) -> dict[str, Any]:
    return {"format": "darts", "genotype": {"normal": normal, "reduce": reduce, **concat}}


SEP = "sep_conv_3x3"
NORMAL = [[SEP, 0], ["skip_connect", 1], ["none", 0], ["dil_conv_3x3", 2]]
REDUCE = [["max_pool_3x3", 0], ["max_pool_3x3", 1], [SEP, 0], [SEP, 1]]


def test_a_genotype_is_two_cells() -> None:
    written = read_cell(genotype(NORMAL, REDUCE), "darts", prune=False)
    assert written.operations == (
        "previous", "input", SEP, "skip_connect", "none", "dil_conv_3x3", "output",
    )  # fmt: skip
    # State 2 is the sum of nodes 2 and 3, which node 5 reads; both states are the output.
    assert written.edges == ((0, 2), (0, 4), (1, 3), (2, 5), (2, 6), (3, 5), (3, 6), (4, 6), (5, 6))
    pruned = read_cell(genotype(NORMAL, REDUCE), "darts", prune=True)
    assert pruned.operations == tuple(name for name in written.operations if name != "none")
    assert pruned.reduction is not None
    assert pruned.reduction.operations == (
        "previous", "input", "max_pool_3x3", "max_pool_3x3", SEP, SEP, "output",
    )  # fmt: skip
    # State 3 of the reduction is not in its output, and nothing reads it.
    unread = read_cell(genotype(NORMAL, REDUCE, reduce_concat=[2]), "darts", prune=True)
    assert unread.reduction == CellGraph(
        ("previous", "input", "max_pool_3x3", "max_pool_3x3", "output"), ((0, 2), (1, 3), (2, 4), (3, 4))
    )
    with pytest.raises(InvalidArchitecture, match="at most 8 states"):
        read_cell(genotype([[SEP, 0]] * 18, REDUCE), "darts", prune=True)


@pytest.mark.parametrize("encoding", ["propagated", "isolated", "positional"])
def test_both_cells_of_a_genotype_matter(encoding: str) -> None:
    hypernas = model(encoding=encoding, space="darts", tasks="accuracy").double().eval()
    other = [["avg_pool_3x3", 0], *REDUCE[1:]]
    documents = [genotype(NORMAL, REDUCE), genotype(NORMAL, other), genotype(other, REDUCE)]
    cells = [read_cell(one, "darts", prune=True) for one in documents]
    score = hypernas.score(make_batch(cells, "darts").double())
    assert len(set(score.tolist())) == 3
    alone = torch.cat([hypernas.score(make_batch([cell], "darts").double()) for cell in cells])
    torch.testing.assert_close(alone, score, rtol=0, atol=1e-12)
    rows = batch_of_rows([cell_row(cell, "darts") for cell in cells], "darts").double()
    torch.testing.assert_close(hypernas.score(rows[1:]), score[1:], rtol=0, atol=1e-12)


def test_an_isolated_genotype_is_the_mean_of_its_cells() -> None:
    hypernas = model(encoding="isolated", space="darts", tasks="accuracy")
    swapped = make_batch([read_cell(genotype(REDUCE, NORMAL), "darts", prune=True)], "darts")
    cells = make_batch([read_cell(genotype(NORMAL, REDUCE), "darts", prune=True)], "darts")
    features, other = hypernas.encoding(cells), hypernas.encoding(swapped)
    assert torch.equal(features.node_BVC[0], features.node_BVC[2])
    assert torch.equal(features.node_BVC[1], other.node_BVC[0])
    # Three normal cells and two reductions.
    mean = (3 * pool(features.node_BVC[0], cells.mask_BV) + 2 * pool(other.node_BVC[0], swapped.mask_BV)) / 5
    torch.testing.assert_close(features.network_BC, mean)


def test_other_documents_are_refused() -> None:
    for other in (CELL_101, {**document(FULL), "channels": 8}, "nonsense", {"format": "nasbench201"}):
        with pytest.raises(InvalidArchitecture) as caught:
            read_cell(other, "nasbench201", prune=True)
        assert caught.value.status == 422


def test_convolution_is_its_formula() -> None:
    cell = some_cells(1)[0]
    layer = BidirectionalConvolution(4).double()
    node_VC = torch.randn(8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    flow = make_batch([cell], "nasbench201").flow_B2VV.double()
    found = layer(node_VC.unsqueeze(0), flow)[0]
    weight, bias = layer.flows.weight.detach(), layer.flows.bias.detach()
    readers = {node: [t for s, t in cell.edges if s == node] + [node] for node in range(len(cell))}
    sources = {node: [s for s, t in cell.edges if t == node] + [node] for node in range(len(cell))}
    for node in range(len(cell)):
        along = sum(weight[:4] @ node_VC[other] + bias[:4] for other in readers[node])
        against = sum(weight[4:] @ node_VC[other] + bias[4:] for other in sources[node])
        expected = along.clamp(min=0) / 2 + against.clamp(min=0) / 2
        torch.testing.assert_close(found[node], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("encoding", ["propagated", "isolated", "positional"])
@pytest.mark.parametrize("space", ["nasbench201", "nasbench101"])
def test_a_cell_scores_the_same_alone_and_in_a_crowd(encoding: str, space: str) -> None:
    hypernas = model(encoding=encoding, space=space, tasks="accuracy")
    cells = some_cells(7, space)
    crowd = hypernas.score(make_batch(cells, space))
    alone = torch.cat([hypernas.score(make_batch([cell], space)) for cell in cells])
    torch.testing.assert_close(alone, crowd, rtol=0, atol=1e-6)
    assert crowd.std() > 0
    rows = batch_of_rows([cell_row(cell, space) for cell in cells], space)
    assert torch.equal(hypernas.score(rows), crowd)


def test_a_cell_knows_what_stands_before_it() -> None:
    cells = make_batch(some_cells(3), "nasbench201")
    propagated = model().encoding(cells).node_BVC
    isolated = model(encoding="isolated").encoding(cells).node_BVC
    assert len(propagated) == len(isolated) == 5
    # Places 0 and 2 hold the same cell, 1 and 3 the reduction.
    assert not torch.allclose(propagated[0], propagated[2])
    assert torch.equal(isolated[0], isolated[2]) and torch.equal(isolated[1], isolated[3])
    # The reduction's features carry those of the cell before it.
    assert not torch.allclose(propagated[1][0], propagated[1][1])
    assert torch.equal(isolated[1][0], isolated[1][1])
    positional = model(encoding="positional").encoding(cells).node_BVC
    assert torch.equal(positional[1][0], positional[1][1])
    assert not torch.allclose(positional[0], positional[2])


@pytest.mark.parametrize("space", ["nasbench201", "nasbench101"])
def test_generated_weights_run_the_architecture(space: str) -> None:
    hypernas = model(space=space)
    random = np.random.default_rng(1)
    documents = [dict(random_cell(space, random)) for _ in range(4)]
    networks = [small_network(one, hypernas.config, 16) for one in documents]
    cells = make_batch([read_cell(one, space, prune=True) for one in documents], space)
    pictures = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for network, weights in zip(networks, hypernas.weights(cells, networks), strict=True):
        wanted = {
            parameter.name: parameter.shape
            for node in network.graph.nodes
            for parameter in node.params
            if node.op != "batch_norm"
        }
        assert {name: tuple(value.shape) for name, value in weights.items()} == wanted
        logits = Network(network.graph)(pictures, weights)
        assert logits.shape == (4, 10) and bool(torch.isfinite(logits).all())
        hypernas.zero_grad()
        logits.logsumexp(1).sum().backward(retain_graph=True)
        assert hypernas.encoding.encoder.operation.weight.grad is not None
        assert float(hypernas.encoding.encoder.operation.weight.grad.abs().sum()) > 0


def test_a_weight_comes_from_its_own_node() -> None:
    hypernas = model()
    # Written in another order than by source: edge 2 of the text is the skip from node 0.
    text = "|nor_conv_3x3~0|+|skip_connect~1|nor_conv_1x1~0|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    network = small_network(document(text), hypernas.config, 16)
    cell = read_cell(document(text), "nasbench201", prune=True)
    for weight in network.generated:
        graph = REDUCTIONS["nasbench201"] if weight.place in (1, 3) else cell
        assert graph.operations[weight.node] == f"conv{weight.shape[-1]}x{weight.shape[-1]}"
    parsed = nasbench201.parse_cell(text)
    assert of_nasbench201(parsed, prune=True) == cell
    first = {weight.name: weight.node for weight in network.generated if weight.place == 0}
    assert first == {
        "cells.0.layers.0.op.1.weight": 1,
        "cells.0.layers.2.op.1.weight": 2,
        "cells.0.layers.5.op.1.weight": 5,
    }


def test_vertices_of_nasbench101_have_their_weights() -> None:
    hypernas = model(space="nasbench101", stages=2, cells_per_stage=2)
    network = small_network(dict(CELL_101), hypernas.config, 16)
    assert nasbench101.prune(nasbench101.parse_cell("110101", "I3MO")) is not None
    places = {weight.place for weight in network.generated}
    assert places == {0, 1, 3, 4}  # 2 is the pool between the stages
    assert {weight.node for weight in network.generated if weight.shape[-1] == 3} == {1}


def test_parts_that_are_not_there() -> None:
    cells = make_batch(some_cells(2), "nasbench201")
    with pytest.raises(ValueError, match="no regressor"):
        model(tasks="weights").score(cells)
    with pytest.raises(ValueError, match="no hypernetwork"):
        model(tasks="accuracy").weights(cells, [])


@pytest.mark.parametrize(
    "options",
    [
        {"hidden": 0},
        {"encoding": "other"},
        {"tasks": "none"},
        {"dropout": 1.0},
        {"preference": 0.0},
        {"space": "darts"},
        {"space": "other"},
        {"prune": False},
    ],
)
def test_configuration_refuses_nonsense(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        HyperNASConfig(**options)
    with pytest.raises(ValueError, match="missing"):
        HyperNASConfig.from_dict({"hidden": 8})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path))
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def save(home: Path, name: str, hypernas: HyperNAS) -> Path:
    folder = home / "models" / name
    known = Checkpoint(hypernas, "accuracy", np.array([10.0, 90.0]), np.array([-1.0, 1.0]))
    card = {"name": name, "kind": "hypernas", "training": {"property": "accuracy"}}
    save_checkpoint(folder, known, card)
    return folder


def test_a_saved_model_is_listed_and_ranks(home: Path) -> None:
    hypernas = model()
    folder = save(home, "mine", hypernas)
    assert [(card.name, card.kind) for card in list_cards([home / "models"])] == [("mine", "hypernas")]
    again = load_checkpoint(folder)
    cells = make_batch(some_cells(5), "nasbench201")
    assert torch.equal(again.hypernas.score(cells), hypernas.score(cells))

    random = np.random.default_rng(2)
    documents = [random_cell("nasbench201", random) for _ in range(30)]
    candidates = [Candidate(index, one) for index, one in enumerate([*documents, CELL_101])]
    answer = rank(candidates, find_ranker("mine", "accuracy")).as_json()
    with torch.no_grad():
        read = [read_cell(one, "nasbench201", prune=True) for one in documents]
        expected = hypernas.score(make_batch(read, "nasbench201"))
    for row in answer["ranking"]:
        assert row["score"] == pytest.approx(float(expected[row["index"]]), abs=1e-5)
        assert 10 <= row["value"] <= 90
    assert answer["ranking"][0]["index"] == int(expected.argmax())
    assert [row["index"] for row in answer["skipped"]] == [30]
    # Alone, each gets what it got in company, to the last digit.
    ranker = find_ranker("mine", None)
    for row in answer["ranking"]:
        (alone,) = rank([candidates[row["index"]]], ranker).as_json()["ranking"]
        assert row == {**alone, "rank": row["rank"]}
    with pytest.raises(InvalidRequest, match="latency"):
        find_ranker("mine", "latency")


def test_damaged_folders_are_refused(home: Path) -> None:
    save(home, "weights", model(tasks="weights"))
    with pytest.raises(InvalidInput, match="cannot rank"):
        find_ranker("weights", None)
    folder = save(home, "mine", model())
    config = folder / "config.json"
    written = json.loads(config.read_text())
    for damaged in ([], {**written, "format": "other"}, {**written, "hypernas": {}}):
        config.write_text(json.dumps(damaged))
        with pytest.raises(InvalidInput):
            load_checkpoint(folder)
    config.write_text(json.dumps({**written, "hypernas": {**written["hypernas"], "hidden": 16}}))
    with pytest.raises(InvalidInput, match="do not fit"):
        load_checkpoint(folder)
    (folder / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(InvalidInput, match="not a readable"):
        load_checkpoint(folder)
