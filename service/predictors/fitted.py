"""A predictor of one property, learned from somebody's observations, and its model folder.

The folder holds what was observed: `weights.safetensors` with `feature_NF` and `value_N`, `config.json` with
the names of the features and the view (`architectures.py`). Loading fits again, which takes about a second
and gives the same predictor; nothing is ever unpickled.

Shape legend: N observations, F features
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from service.catalog import CARD, CONFIG, WEIGHTS, find_card
from service.errors import InvalidInput, InvalidRequest, ServiceError, UnknownModel
from service.graph_io.fields import Place, read_number, read_object
from service.graph_io.read import read_architecture
from service.predictors.architectures import Reader, View, feature_names, features_of, format_of, view_of
from service.predictors.few_shot import (
    FEWEST_OBSERVATIONS,
    CrossValidation,
    FewShotRegressor,
    Floats,
    cross_validate,
)

FORMAT = "weightcast-predictor-1"
MOST_OBSERVATIONS = 20_000
# Cross-validation needs that many to fit on what a fold leaves.
_FEWEST = FEWEST_OBSERVATIONS + 2

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Observations:
    """What a predictor learns from. formats: of the architectures, sorted."""

    view: View
    formats: tuple[str, ...]
    feature_NF: Floats
    value_N: Floats


@dataclass(slots=True)
class FittedPredictor:
    """property: what it predicts, in the words of whoever fitted it."""

    name: str
    property: str
    observations: Observations
    regressor: FewShotRegressor = field(init=False)

    def __post_init__(self) -> None:
        seen = self.observations
        self.regressor = FewShotRegressor().fit(seen.feature_NF, seen.value_N)

    def features(self, document: Any, *, read: Reader = read_architecture) -> list[float]:
        """The row of one architecture. Raises InvalidArchitecture for one that this predictor cannot see."""
        seen = self.observations
        if seen.view == "cell" and format_of(document) not in seen.formats:
            raise InvalidRequest(
                f"The predictor {self.name!r} was fitted on {seen.formats[0]} cells only.",
                field="/format",
                hint="Fit one on architectures of all the formats that you want to rank together.",
            )
        return features_of(document, seen.view, read=read)

    def cross_validate(self) -> CrossValidation:
        return cross_validate(self.observations.feature_NF, self.observations.value_N)


def observe(
    items: Sequence[Any],
    *,
    read: Reader = read_architecture,
    report: Report = lambda done, total: None,
) -> Observations:
    """Read `{"architecture": ..., "value": ...}` objects.

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
        place = Place(("observations", index))
        fields = read_object(item, place, required=("architecture", "value"), optional=("name",))
        documents.append(fields["architecture"])
        values.append(read_number(fields["value"], place / "value"))
    view = view_of(documents)
    rows = []
    for index, document in enumerate(documents):
        try:
            rows.append(features_of(document, view, read=read))
        except ServiceError as error:
            error.extra["observation"] = index
            raise
        report(index + 1, len(documents))
    formats = tuple(sorted({format_of(document) for document in documents}))
    return Observations(view, formats, np.array(rows, dtype=np.float64), np.array(values, dtype=np.float64))


def save_predictor(folder: Path, predictor: FittedPredictor, score: CrossValidation) -> None:
    """Write a model folder. Its files appear whole, the card last."""
    seen = predictor.observations
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "format": FORMAT,
        "property": predictor.property,
        "view": seen.view,
        "formats": list(seen.formats),
        "features": list(feature_names(seen.view)),
    }
    card = {
        "name": predictor.name,
        "kind": "predictor",
        "description": f"Predicts {predictor.property} of {', '.join(seen.formats)} architectures.",
        "training": {"property": predictor.property, "observations": len(seen.value_N), "view": seen.view},
        "scores": {"kendall_tau_cv": score.tau, "interval": [score.low, score.high]},
    }
    temporary = folder / f"{WEIGHTS}.tmp"
    save_file({"feature_NF": seen.feature_NF, "value_N": seen.value_N}, temporary)
    temporary.chmod(0o644)  # safetensors creates it for its owner alone
    os.replace(temporary, folder / WEIGHTS)
    for name, document in ((CONFIG, config), (CARD, card)):
        temporary = folder / f"{name}.tmp"
        temporary.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
        os.replace(temporary, folder / name)


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
        return FittedPredictor(name, str(config["property"]), _observations(name, config, tensors))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InvalidInput(f"{name!r} is not a readable predictor: {error}", model=name) from error


def _observations(name: str, config: Mapping[str, Any], tensors: Mapping[str, Any]) -> Observations:
    view = config["view"]
    known = config["format"] == FORMAT and view in ("cell", "network")
    if not known or tuple(config["features"]) != feature_names(view):
        raise InvalidInput(
            f"The predictor {name!r} was fitted by another version.", model=name, hint="Fit it again."
        )
    feature_NF, value_N = tensors["feature_NF"], tensors["value_N"]
    if feature_NF.shape != (len(value_N), len(feature_names(view))):
        raise InvalidInput(f"The observations of the predictor {name!r} do not fit together.", model=name)
    return Observations(view, tuple(config["formats"]), feature_NF, value_N)
