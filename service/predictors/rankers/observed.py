"""Observations as a regressor learns from them: rows of features, values, and which rows are one network.

Shape legend: N rows, F features
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.contract.options import MOST_OBSERVATIONS
from service.contract.predictor import Failed, Features
from service.errors import InvalidInput, InvalidRequest, NotConnected, ServiceError
from service.graph_io.archgraph import ArchGraph
from service.graph_io.read import format_of, read_document
from service.models.catalog import find_card
from service.predictors.features.architectures import (
    Reader,
    View,
    columns_of,
    feature_names,
    features_of,
    view_of,
)
from service.predictors.rankers.identity import cell_identity, graph_identity
from service.predictors.rankers.observations import (
    beyond,
    common_metadata,
    merge_equal_rows,
    read_observation,
)
from service.predictors.regressors.methods import Columns
from service.predictors.regressors.scores import FEWEST_OBSERVATIONS, Floats

if TYPE_CHECKING:
    from service.ghn.registry import LoadedModel

# Cross-validation needs that many to fit on what a fold leaves.
FEWEST_NETWORKS = FEWEST_OBSERVATIONS + 2

Report = Callable[[int, int], None]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Embedder:
    """The GHN whose embedding of a network is part of its features. Another digest is another GHN."""

    model: str
    digest: str

    def embed(self, document: Any, read: Reader) -> list[float]:
        """Mean node state of the network. Raises what `read` raises."""
        return [float(value) for value in _ghn(self.model, self.digest).embed([read(document)])[0]]


@lru_cache(maxsize=2)
def _ghn(name: str, digest: str) -> LoadedModel:
    # torch, which predictors without embeddings do without
    from service.ghn.registry import load_model

    model = load_model(name)
    if model.card.digest != digest:
        raise InvalidInput(
            f"The GHN {name!r} is not the one whose embeddings this predictor learned from.",
            model=name,
            hint="Fit the predictor again.",
        )
    return model


@dataclass(frozen=True, slots=True)
class SetAside:
    """index: place in what was sent. error: why it is not learned from."""

    index: int
    error: ServiceError


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of what was sent. used: how many observations there are to learn from. networks: how many
    different networks these are of. failed: trainings without a value. set_aside: cells that are no network.
    metadata: what the observations say besides (`common_metadata`).
    """

    used: int
    networks: int
    failed: int = 0
    set_aside: tuple[SetAside, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observations:
    """What a predictor learns from. formats: of the architectures, sorted. embedder: where the last features
    come from, if a GHN gave some. group_N: the number of the network behind each row, from 0; None where each
    row is one of its own. tally: where these come from, where that is known. names: of the features before an
    embedding; all that there are where nothing is said.
    """

    view: View
    formats: tuple[str, ...]
    feature_NF: Floats
    value_N: Floats
    embedder: Embedder | None = None
    features: Features = "structure"
    group_N: NDArray[np.int64] | None = None
    tally: Tally | None = None
    names: tuple[str, ...] = ()

    @property
    def columns(self) -> Columns:
        places, structure = columns_of(self.view, self.feature_names)
        return Columns(structure, len(places))

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.names or feature_names(self.view)

    def row(self, document: Any, read: Reader, *, structure: bool = True) -> list[float]:
        """The features of an architecture. Raises what `features_of` raises."""
        whole = row_of(document, self.view, self.embedder, read, structure=structure)
        if not self.names:
            return whole
        places, _ = columns_of(self.view, self.names)
        return [*(whole[index] for index in places), *whole[len(feature_names(self.view)) :]]

    def averaged(self) -> Observations:
        """With one row for each set of equal ones, and the mean of their values: a regressor learns no more
        from them, and would take what was measured often for what is common.
        """
        group_N = np.arange(len(self.value_N)) if self.group_N is None else self.group_N
        feature_NF, value_N, group_N = merge_equal_rows(self.feature_NF, self.value_N, group_N)
        return replace(self, feature_NF=feature_NF, value_N=value_N, group_N=group_N)


def observe(
    items: Sequence[Any],
    *,
    read: Reader = read_document,
    report: Report = lambda done, total: None,
    features: Features = "structure",
    ghn: str | None = None,
    failed: Failed = "leave-out",
) -> Observations:
    """Read observations: entries (`graph_io.entries`) with a `value` each.

    features: what to learn from; embeddings are those of `ghn`, and take a forward pass each.
    failed: what becomes of trainings without a finite value.

    Cells that connect nothing are set aside where whole networks are looked at. `tally` tells all of it.

    Raises InvalidRequest for too few or too many, and the readers' errors with the number of the item as
    `observation`: a predictor that silently learned from a part would mislead.
    """
    if len(items) > MOST_OBSERVATIONS:
        raise wrong_number(f"{len(items):,} observations")
    seen = [_about(index, read_observation, item, index) for index, item in enumerate(items)]
    finite = [observation.value for observation in seen if observation.value is not None]
    failures = len(seen) - len(finite)
    if len(finite) < FEWEST_NETWORKS:
        raise wrong_number(
            f"{len(finite)} observations" + (f" beside {failures} failed trainings" if failures else "")
        )
    replacement = None if failed == "leave-out" else beyond(np.array(finite), failed)
    view = view_of([observation.document for observation in seen])
    embedder = None if features == "structure" else _embedder(ghn)
    rows, values, identities, formats, aside = [], [], [], set(), []
    for index, observation in enumerate(seen):
        value = replacement if observation.value is None else observation.value
        if value is not None:
            try:
                row, identity = _about(index, _placed, index, observation.document, view, embedder, read)
            except NotConnected as error:
                aside.append(SetAside(index, error))
            else:
                rows.append(row)
                values.append(value)
                identities.append(identity)
                formats.add(format_of(observation.document))
        report(index + 1, len(seen))
    if len(values) < FEWEST_NETWORKS:
        raise wrong_number(f"{len(values)} observations of networks")
    numbers = {identity: number for number, identity in enumerate(dict.fromkeys(identities))}
    tally = Tally(len(values), len(numbers), failures, tuple(aside), common_metadata(seen))
    return Observations(
        view,
        tuple(sorted(formats)),
        np.array(rows, dtype=np.float64),
        np.array(values, dtype=np.float64),
        embedder,
        features,
        np.array([numbers[identity] for identity in identities]),
        tally,
    )


def _embedder(ghn: str | None) -> Embedder:
    if ghn is None:
        raise ValueError("embeddings need the name of a GHN")
    return Embedder(ghn, find_card(ghn).digest)


def check_networks(observations: int, networks: int) -> None:
    """Raises InvalidRequest for too few different networks."""
    if networks < FEWEST_NETWORKS:
        of = "1 network" if networks == 1 else f"{networks} different networks"
        raise wrong_number(f"{observations} observations of {of}")


def wrong_number(what: str) -> InvalidRequest:
    """The refusal of too few or too many."""
    return InvalidRequest(
        f"{what}; a predictor takes {FEWEST_NETWORKS} to {MOST_OBSERVATIONS:,}, of as many networks.",
        field="/observations",
    )


def _about(index: int, work: Callable[..., Result], *arguments: Any) -> Result:
    """What the work gives; its errors say which observation they are about."""
    try:
        return work(*arguments)
    except ServiceError as error:
        error.extra["observation"] = index
        raise


def _placed(
    index: int, document: Any, view: View, embedder: Embedder | None, read: Reader
) -> tuple[list[float], str]:
    """As `_seen`; errors point from the root of the request to the field."""
    try:
        return _seen(document, view, embedder, read)
    except ServiceError as error:
        error.place_in("observations", index, "architecture")
        raise


def _seen(document: Any, view: View, embedder: Embedder | None, read: Reader) -> tuple[list[float], str]:
    """The row of an architecture, and what tells its network from others. It is read once."""
    if view == "cell":
        return row_of(document, view, embedder, read), cell_identity(document)
    graph = read(document)

    def known(_: Any) -> ArchGraph:
        return graph

    return row_of(document, view, embedder, known), graph_identity(graph)


def row_of(
    document: Any, view: View, embedder: Embedder | None, read: Reader, *, structure: bool = True
) -> list[float]:
    row = features_of(document, view, read=read, structure=structure)
    return row if embedder is None else [*row, *embedder.embed(document, read)]
