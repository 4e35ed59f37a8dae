"""What a HyperNAS predictor learns from: observed cells, and random cells of the same space.

Shape legend: N observations
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.contract.options import MOST_OBSERVATIONS
from service.errors import InvalidRequest, ServiceError
from service.graph_io.cells import nasbench101, nasbench201
from service.predictors.hypernas.batch import CellBatch, make_batch
from service.predictors.hypernas.cell_graph import CellGraph, read_cell
from service.predictors.hypernas.config import HyperNASConfig
from service.predictors.rankers.identity import cell_identity
from service.predictors.rankers.observations import common_metadata, mean_value, read_observation
from service.predictors.rankers.observed import Tally
from service.predictors.regressors.few_shot import normal_scores

Floats = NDArray[np.float64]
Result = TypeVar("Result")

FEWEST_OBSERVATIONS = 5


@dataclass(frozen=True, slots=True)
class Observed:
    """value_N: as observed. target_N: its normal scores, what the regressor learns."""

    cells: CellBatch
    value_N: Floats
    target_N: Tensor

    def __len__(self) -> int:
        return len(self.value_N)


@dataclass(frozen=True, slots=True)
class Readings:
    """Observed cells. value_N: the mean of what was observed of each, trainings that failed left out; a cell
    written differently, or trained from several seeds, is one. tally: how many there were of what.
    """

    space: str
    cell_N: tuple[CellGraph, ...]
    value_N: Floats
    tally: Tally

    def __len__(self) -> int:
        return len(self.value_N)

    def batch(self) -> CellBatch:
        return make_batch(self.cell_N, self.space)


def observed(cells: CellBatch, value_N: Floats) -> Observed:
    """Raises InvalidRequest for too few observations or values that are not finite."""
    if not FEWEST_OBSERVATIONS <= len(value_N) <= MOST_OBSERVATIONS:
        raise InvalidRequest(
            f"{len(value_N)} different networks with a value to learn from; this predictor takes "
            f"{FEWEST_OBSERVATIONS} to {MOST_OBSERVATIONS:,}.",
            field="/observations",
        )
    if not np.isfinite(value_N).all():
        raise InvalidRequest("Observed values must be finite numbers.", field="/observations")
    return Observed(cells, value_N, torch.from_numpy(normal_scores(value_N)).float())


def read_observations(items: Sequence[Any], config: HyperNASConfig) -> Readings:
    """Observations in every form that a fitted predictor takes (`graph_io.entries`).

    Raises the readers' errors, with the number of the item as `observation`.
    """
    seen = [_about(index, read_observation, item, index) for index, item in enumerate(items)]
    cells: dict[str, CellGraph] = {}
    values: dict[str, list[float]] = {}
    for index, observation in enumerate(seen):
        try:
            cell = _about(index, read_cell, observation.document, config.space, prune=config.prune)
        except ServiceError as error:
            error.place_in("observations", index, "architecture")
            raise
        if observation.value is not None:
            # Of a genotype, what is left of its cells is all that the predictor sees.
            darts = config.space == "darts"
            identity = repr(cell) if darts else cell_identity(observation.document)
            cells.setdefault(identity, cell)
            values.setdefault(identity, []).append(observation.value)
    value_N = np.array([mean_value(np.array(of)) for of in values.values()], dtype=np.float64)
    used = sum(map(len, values.values()))
    tally = Tally(used, len(values), len(seen) - used, metadata=common_metadata(seen))
    return Readings(config.space, tuple(cells.values()), value_N, tally)


def _about(index: int, work: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
    """What the work gives; its errors say which observation they are about."""
    try:
        return work(*arguments, **options)
    except ServiceError as error:
        error.extra["observation"] = index
        raise


def random_cell(space: str, random: np.random.Generator) -> Mapping[str, Any]:
    """The document of a random cell whose output something reaches."""
    while True:
        document = _random_201(random) if space == "nasbench201" else _random_101(random)
        if document is not None:
            return document


def _random_201(random: np.random.Generator) -> Mapping[str, Any] | None:
    cell = tuple(
        nasbench201.Edge(source, target, nasbench201.OPERATIONS[random.integers(5)])
        for target in range(1, nasbench201.NUM_NODES)
        for source in range(target)
    )
    if not nasbench201.live_edges(cell):
        return None
    return {"format": "nasbench201", "cell": nasbench201.cell_text(cell)}


def _random_101(random: np.random.Generator) -> Mapping[str, Any] | None:
    """Edges and operations of seven vertices, each at random. Nearly all cells of the benchmark have six or
    seven vertices, while most random ones fall apart into fewer: these count as none, as do those with more
    edges than the benchmark allows.
    """
    size = nasbench101.MAX_VERTICES
    triangle = "".join(str(bit) for bit in random.integers(2, size=size * (size - 1) // 2))
    if triangle.count("1") > nasbench101.MAX_EDGES:
        return None
    ops = "I" + "".join(random.choice(list("31M"), size=size - 2)) + "O"
    pruned = nasbench101.prune(nasbench101.parse_cell(triangle, ops))
    if pruned is None or len(pruned) < size - 1:
        return None
    return {"format": "nasbench101", "matrix": triangle, "ops": ops}
