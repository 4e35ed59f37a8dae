"""A predictor of one property, learned from somebody's observations, and its model folder.

The folder holds what was observed: `weights.safetensors` with `feature_NF` and `value_N`, `config.json` with
the names of the features, the view (`architectures.py`), the method (`methods.py`) and the GHN whose
embeddings are among the features, if any. Loading fits again, which takes a second or a few and gives the
same predictor; nothing is ever unpickled.

Shape legend: N observations, F features
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from service.catalog import CONFIG, WEIGHTS, find_card, write_model_folder
from service.errors import InvalidInput, InvalidRequest, ServiceError, UnknownModel
from service.graph_io.fields import Place, read_number, read_object
from service.graph_io.read import format_of, read_document
from service.predictors.architectures import (
    Reader,
    View,
    feature_names,
    features_of,
    structure_size,
    view_of,
)
from service.predictors.methods import (
    CANDIDATES,
    COUNTING,
    METHODS,
    Columns,
    Features,
    Method,
    candidates,
    cross_validate_method,
    make_regressor,
)
from service.predictors.scores import (
    FEWEST_OBSERVATIONS,
    NORMAL_MARGIN,
    CrossValidation,
    Floats,
    Regressor,
)

if TYPE_CHECKING:
    from service.ghn.registry import LoadedModel

FORMAT = "weightcast-predictor-2"
MOST_OBSERVATIONS = 20_000
DEFAULT_GHN = "ghn2-cifar10"
# Cross-validation needs that many to fit on what a fold leaves.
_FEWEST = FEWEST_OBSERVATIONS + 2

Report = Callable[[int, int], None]


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
class Observations:
    """What a predictor learns from. formats: of the architectures, sorted. embedder: where the last features
    come from, if a GHN gave some.
    """

    view: View
    formats: tuple[str, ...]
    feature_NF: Floats
    value_N: Floats
    embedder: Embedder | None = None
    features: Features = "structure"

    @property
    def columns(self) -> Columns:
        return Columns(structure_size(self.view), len(feature_names(self.view)))


@dataclass(slots=True)
class FittedPredictor:
    """property: what it predicts, in the words of whoever fitted it. method: how; the first candidate for its
    features until `cross_validate` compared them. margin: spreads on either side of a 90% interval.
    """

    name: str
    property: str
    observations: Observations
    method: Method | None = None
    margin: float = NORMAL_MARGIN
    regressor: Regressor = field(init=False)

    def __post_init__(self) -> None:
        self._adopt(self.method or CANDIDATES[self.observations.features][0], self.margin)

    def features(self, document: Any, *, read: Reader = read_document) -> list[float]:
        """The row of one architecture. Raises InvalidArchitecture for one that this predictor cannot see."""
        seen = self.observations
        if seen.view == "cell" and format_of(document) not in seen.formats:
            raise InvalidRequest(
                f"The predictor {self.name!r} was fitted on {seen.formats[0]} cells only.",
                field="/format",
                hint="Fit one on architectures of all the formats that you want to rank together.",
            )
        return _row(document, seen.view, seen.embedder, read, structure=self.method not in COUNTING)

    def cross_validate(self) -> CrossValidation:
        """Compare the methods for these features by how well they rank held-out observations, keep the best,
        widen its intervals to hold 90% of them, and tell how well it ranks.
        """
        seen = self.observations
        scores = {
            method: cross_validate_method(method, seen.columns, seen.feature_NF, seen.value_N)
            for method in candidates(seen.features, seen.value_N)
        }
        best = max(scores, key=lambda method: scores[method].tau)
        self._adopt(best, scores[best].margin)
        return scores[best]

    def _adopt(self, method: Method, margin: float) -> None:
        seen = self.observations
        self.method, self.margin = method, margin
        self.regressor = make_regressor(method, seen.columns, margin=margin)
        self.regressor.fit(seen.feature_NF, seen.value_N)


def _row(
    document: Any, view: View, embedder: Embedder | None, read: Reader, *, structure: bool = True
) -> list[float]:
    row = features_of(document, view, read=read, structure=structure)
    return row if embedder is None else [*row, *embedder.embed(document, read)]


def observe(
    items: Sequence[Any],
    *,
    read: Reader = read_document,
    report: Report = lambda done, total: None,
    features: Features = "structure",
    ghn: str = DEFAULT_GHN,
) -> Observations:
    """Read `{"architecture": ..., "value": ...}` objects.

    features: what to learn from; embeddings are those of the GHN of that name, and take a forward pass each.

    Raises InvalidRequest for too few or too many, and the readers' errors with the number of the item as
    `observation`: a predictor that silently learned from a part would mislead.
    """
    if not _FEWEST <= len(items) <= MOST_OBSERVATIONS:
        raise InvalidRequest(
            f"{len(items)} observations; a predictor takes {_FEWEST} to {MOST_OBSERVATIONS:,}.",
            field="observations",
        )
    documents, values = [], []
    for index, item in enumerate(items):
        document, value = read_observation(item, index)
        documents.append(document)
        values.append(value)
    view = view_of(documents)
    embedder = None if features == "structure" else Embedder(ghn, find_card(ghn).digest)
    rows = []
    for index, document in enumerate(documents):
        try:
            rows.append(_row(document, view, embedder, read))
        except ServiceError as error:
            error.extra["observation"] = index
            raise
        report(index + 1, len(documents))
    formats = tuple(sorted({format_of(document) for document in documents}))
    return Observations(
        view,
        formats,
        np.array(rows, dtype=np.float64),
        np.array(values, dtype=np.float64),
        embedder,
        features,
    )


def read_observation(item: Any, index: int) -> tuple[Any, float]:
    """Architecture and value of one observation. Errors: InvalidArchitecture naming the field."""
    place = Place(("observations", index))
    fields = read_object(item, place, required=("architecture", "value"), optional=("name",))
    return fields["architecture"], read_number(fields["value"], place / "value")


def save_predictor(
    folder: Path,
    predictor: FittedPredictor,
    score: CrossValidation,
    *,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write a model folder. Its files appear whole, the card last.

    more: of the card, besides what is known here; `scores["note"]` is told with every ranking.
    """
    seen = predictor.observations
    config = {
        "format": FORMAT,
        "property": predictor.property,
        "view": seen.view,
        "formats": list(seen.formats),
        "features": list(feature_names(seen.view)),
        "uses": seen.features,
        "embedder": None if seen.embedder is None else asdict(seen.embedder),
        "method": predictor.method,
        "margin": predictor.margin,
    }
    card = {
        "name": predictor.name,
        "kind": "predictor",
        "description": f"Predicts {predictor.property} of {', '.join(seen.formats)} architectures.",
        **more,
        "training": {
            "property": predictor.property,
            "observations": len(seen.value_N),
            "view": seen.view,
            "features": seen.features,
            "method": predictor.method,
            **more.get("training", {}),
        },
        "scores": {
            "kendall_tau_cv": score.tau,
            "interval": [score.low, score.high],
            **more.get("scores", {}),
        },
    }
    tensors = {"feature_NF": seen.feature_NF, "value_N": seen.value_N}
    write_model_folder(folder, lambda path: save_file(tensors, path), config, card)


def load_predictor(name: str) -> FittedPredictor:
    """A predictor by its catalogue name. Raises UnknownModel, or InvalidInput for a folder that holds
    none.
    """
    card = find_card(name)
    if card.kind != "predictor":
        raise UnknownModel(f"{name!r} is a {card.kind}, not a predictor: it cannot rank.", model=name)
    try:
        config = json.loads((card.path / CONFIG).read_text())
        tensors = load_file(card.path / WEIGHTS)
        seen = _observations(name, config, tensors)
        return FittedPredictor(name, str(config["property"]), seen, config["method"], float(config["margin"]))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InvalidInput(f"{name!r} is not a readable predictor: {error}", model=name) from error


def _observations(name: str, config: Mapping[str, Any], tensors: Mapping[str, Any]) -> Observations:
    view = config["view"]
    known = (
        config["format"] == FORMAT
        and view in ("cell", "network")
        and config["uses"] in CANDIDATES
        and config["method"] in METHODS
    )
    if not known or tuple(config["features"]) != feature_names(view):
        raise InvalidInput(
            f"The predictor {name!r} was fitted by another version.", model=name, hint="Fit it again."
        )
    feature_NF, value_N = tensors["feature_NF"], tensors["value_N"]
    embedder = None if config["embedder"] is None else Embedder(**config["embedder"])
    names = len(feature_names(view))
    fits = feature_NF.shape[1] > names if embedder else feature_NF.shape[1] == names
    if len(feature_NF) != len(value_N) or not fits:
        raise InvalidInput(f"The observations of the predictor {name!r} do not fit together.", model=name)
    return Observations(view, tuple(config["formats"]), feature_NF, value_N, embedder, config["uses"])
