"""A ranker that needs no observations: a few numbers of the whole network, weighed as NAS-Bench-101 taught.

    score = sum over features of coefficient * (feature - mean) / scale

Features: the multiply-adds, how many layers mix all channels, how many pools a random walk through the
network meets, and which share of its operations look around (kernels above 1x1). Few and linear on purpose:
networks of other spaces lie far outside of what NAS-Bench-101 covers, where a flexible model says nothing.

The folder: `config.json` with the names of the features, `weights.safetensors` with `coefficient_F`, `mean_F`
and `scale_F`, and the card. Fitted by `python -m benchmarks.rank_transfer --export FOLDER`.

Shape legend: N networks, F features
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import log1p, log10
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from service.contract.scoring import Score
from service.errors import InvalidInput
from service.graph_io.archgraph import ArchGraph
from service.graph_io.cells import nasbench201
from service.graph_io.read import format_of
from service.models.catalog import CONFIG, WEIGHTS, ModelCard
from service.models.publish import write_model_folder
from service.predictors.features.architectures import Reader, is_bare_cell
from service.predictors.features.network_cost import multiply_adds
from service.predictors.features.network_walks import dense_layers, network_operations
from service.predictors.features.structure import CONV1, CONV3, CellStructure, Operation, cell_structure
from service.predictors.features.walks import WALKS, walks
from service.predictors.regressors.scores import SCORE_DECIMALS, Floats

FORMAT = "weightcast-ranker-1"
RANKER = "ranker"
RANKER_FEATURES = ("log_multiply_adds", "log_dense_layers", "log_walk_pools", "walk_share_of_views")

_POOLS, _VIEWS, _OPERATIONS = (WALKS.index(f"walk_mean_{what}") for what in ("pool", "conv3", "operations"))


@dataclass(frozen=True, slots=True)
class _Counts:
    """dense: convolutions and linear layers that mix all channels. pools, views, operations: how many a
    random walk from the output to the input meets on average; views are convolutions above 1x1.
    """

    dense: float
    pools: float
    views: float
    operations: float

    def features(self, operations: int) -> list[float]:
        return [
            log10(1 + operations),
            log1p(self.dense),
            log1p(self.pools),
            self.views / max(1.0, self.operations),
        ]


def ranker_features(graph: ArchGraph) -> list[float]:
    """The numbers of one network, in the order of RANKER_FEATURES."""
    return _network_counts(graph).features(multiply_adds(graph))


def nasbench201_features(cell: CellStructure) -> list[float]:
    """The same for a bare cell of NAS-Bench-201, without building its network: every walk through the network
    passes all cells, so its counts are those of the cell times their number and what lies between cells.

    The cell must be connected.
    """
    dense = sum(operation.kind in (CONV3, CONV1) for operation in cell.operations)
    own, between, number = _counts(cell.operations, dense), *_around_cells()
    return _Counts(
        between.dense + number * own.dense,
        between.pools + number * own.pools,
        between.views + number * own.views,
        between.operations + number * own.operations,
    ).features(nasbench201_multiply_adds(cell.live.get(CONV3, 0), cell.live.get(CONV1, 0)))


def _network_counts(graph: ArchGraph) -> _Counts:
    return _counts(network_operations(graph), dense_layers(graph))


def _counts(operations: tuple[Operation, ...], dense: int) -> _Counts:
    numbers = walks(operations)
    return _Counts(float(dense), numbers[_POOLS], numbers[_VIEWS], numbers[_OPERATIONS])


@lru_cache(maxsize=1)
def _around_cells() -> tuple[_Counts, int]:
    """What the network of NAS-Bench-201 has beside its cells, and the number of these."""
    empty, full = (
        _network_counts(_nasbench201_network((name,) * 6)) for name in ("skip_connect", "nor_conv_1x1")
    )
    return empty, round((full.dense - empty.dense) / 6)


# Different costs among the cells of NAS-Bench-201: 7 x 7 counts of convolutions.
@lru_cache(maxsize=64)
def nasbench201_multiply_adds(conv3: int, conv1: int) -> int:
    """Cells of one cost make networks of one cost."""
    convolutions = ["nor_conv_3x3"] * conv3 + ["nor_conv_1x1"] * conv1
    return multiply_adds(_nasbench201_network((*convolutions, *["skip_connect"] * (6 - len(convolutions)))))


def _nasbench201_network(operations: tuple[str, ...]) -> ArchGraph:
    names = iter(operations)
    cell = tuple(
        nasbench201.Edge(source, target, next(names)) for target in (1, 2, 3) for source in range(target)
    )
    return nasbench201.read_nasbench201({"cell": nasbench201.cell_text(cell)})


@dataclass(frozen=True, slots=True)
class LinearModel:
    """coefficient_F: of standardised features, for mean_F and scale_F of what it was fitted on."""

    coefficient_F: Floats
    mean_F: Floats
    scale_F: Floats

    def scores(self, feature_NF: Floats) -> Floats:
        scores: Floats = ((feature_NF - self.mean_F) / self.scale_F) @ self.coefficient_F
        return scores


def save_ranker(folder: Path, model: LinearModel, card: Mapping[str, Any]) -> None:
    """Write a model folder."""
    tensors = {"coefficient_F": model.coefficient_F, "mean_F": model.mean_F, "scale_F": model.scale_F}
    config = {"format": FORMAT, "property": "accuracy", "features": list(RANKER_FEATURES)}
    write_model_folder(folder, lambda path: save_file(tensors, path), config, card)


def is_pretrained(card: ModelCard) -> bool:
    """Whether a folder holds such a ranker, as far as its configuration says."""
    try:
        config = json.loads((card.path / CONFIG).read_text())
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("format") == FORMAT


class PretrainedRanker:
    """Scores are the linear model's, in normal scores of NAS-Bench-101: good for an order, no accuracy.

    Raises InvalidInput for a folder that holds no such model.
    """

    def __init__(self, card: ModelCard, read: Reader) -> None:
        self.name = card.name
        self._read = read
        try:
            config = json.loads((card.path / CONFIG).read_text())
            tensors = load_file(card.path / WEIGHTS)
            known = config["format"] == FORMAT and tuple(config["features"]) == RANKER_FEATURES
            self.property = str(config["property"])
            self._model = LinearModel(tensors["coefficient_F"], tensors["mean_F"], tensors["scale_F"])
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise InvalidInput(f"{card.name!r} is not a readable ranker: {error}", model=card.name) from error
        if not known:
            raise InvalidInput(f"The ranker {card.name!r} was made by another version.", model=card.name)
        self.unit = card.unit
        self.note: str | None = card.scores.get("note")

    def features(self, document: Any) -> list[float]:
        if is_bare_cell(document) and format_of(document) == "nasbench201":
            cell = cell_structure(document)
            if cell.is_connected:  # one without paths is refused by its reader
                return nasbench201_features(cell)
        return ranker_features(self._read(document))

    def scores(self, rows: list[list[float]]) -> list[Score]:
        scores = self._model.scores(np.array(rows, dtype=np.float64))
        return [{"score": round(float(score), SCORE_DECIMALS)} for score in scores]
