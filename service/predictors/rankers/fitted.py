"""A predictor of one property, learned from somebody's observations, and its model folder.

The folder holds what was observed: `weights.safetensors` with `feature_NF` and `value_N`, `config.json` with
the names of the features, the view (`architectures.py`), the method (`methods.py`) and the GHN whose
embeddings are among the features, if any. Loading fits again, which takes a second or a few and gives the
same predictor; nothing is ever unpickled.

Shape legend: N observations, F features
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from service.errors import InvalidInput, InvalidRequest, UnknownModel
from service.graph_io.read import format_of, read_document
from service.kit.json_types import JsonObject
from service.models.catalog import CONFIG, WEIGHTS, find_card
from service.models.publish import write_model_folder
from service.predictors.features.architectures import Reader, feature_names
from service.predictors.rankers.observed import Embedder, Observations, check_networks, observe
from service.predictors.regressors.methods import (
    CANDIDATES,
    COUNTING,
    METHODS,
    Method,
    candidates,
    choose_method,
    make_regressor,
)
from service.predictors.regressors.scores import NORMAL_MARGIN, CrossValidation, Regressor

__all__ = [
    "Embedder",
    "FittedPredictor",
    "Observations",
    "load_predictor",
    "observe",
    "save_predictor",
]

FORMAT = "weightcast-predictor-2"


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
    _averaged: Observations = field(init=False, repr=False)
    _regressor: Regressor | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if (tally := self.observations.tally) is not None:
            check_networks(tally.used, tally.networks)
        self._averaged = self.observations.averaged()
        self.method = self.method or CANDIDATES[self.observations.features][0]

    @builtins.property  # the field of this name hides it
    def regressor(self) -> Regressor:
        """What `method` learned from all observations; it learns when it is first needed."""
        return self._regressor or self.learn()

    def learn(self) -> Regressor:
        """Fit `method` to all observations. Raises InvalidRequest for values that are not finite."""
        assert self.method is not None  # __post_init__
        seen = self._averaged
        regressor = make_regressor(self.method, seen.columns, margin=self.margin)
        self._regressor = regressor.fit(seen.feature_NF, seen.value_N)
        return self._regressor

    def features(self, document: Any, *, read: Reader = read_document) -> list[float]:
        """The row of one architecture. Raises InvalidArchitecture for one that this predictor cannot see."""
        seen = self.observations
        if seen.view == "cell" and format_of(document) not in seen.formats:
            raise InvalidRequest(
                f"The predictor {self.name!r} was fitted on {seen.formats[0]} cells only.",
                field="/format",
                hint="Fit one on architectures of all the formats that you want to rank together.",
            )
        return seen.row(document, read, structure=self.method not in COUNTING)

    def cross_validate(self) -> CrossValidation:
        """Compare the methods for these features by how well they rank held-out observations, keep the best,
        widen its intervals to hold 90% of them, and tell how well it ranks.

        Raises InvalidRequest for too few different networks.
        """
        seen = self._averaged
        group_N = np.arange(len(seen.value_N)) if seen.group_N is None else seen.group_N
        check_networks(len(self.observations.value_N), len(np.unique(group_N)))
        best, score = choose_method(
            candidates(seen.features, seen.value_N), seen.columns, seen.feature_NF, seen.value_N, group_N
        )
        self.method, self.margin, self._regressor = best, score.margin, None
        return score


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
    seen, tally = predictor.observations, predictor.observations.tally
    known: JsonObject = {}
    if tally is not None:
        known = {"observations": tally.used, "networks": tally.networks}
        known |= {"metadata": dict(tally.metadata)} if tally.metadata else {}
    config = {
        "format": FORMAT,
        "property": predictor.property,
        "view": seen.view,
        "formats": list(seen.formats),
        "features": list(seen.feature_names),
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
            **known,
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
        margin = float(config["margin"])
        predictor = FittedPredictor(name, str(config["property"]), seen, config["method"], margin)
        # What is wrong with the files shows when it learns from them.
        predictor.learn()
        return predictor
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
    # Fitted when there were fewer features, it sees those.
    names = tuple(config["features"]) if known else ()
    if not known or not set(names) <= set(feature_names(view)):
        raise InvalidInput(
            f"The predictor {name!r} was fitted by another version.", model=name, hint="Fit it again."
        )
    feature_NF, value_N = tensors["feature_NF"], tensors["value_N"]
    embedder = None if config["embedder"] is None else Embedder(**config["embedder"])
    fits = feature_NF.shape[1] > len(names) if embedder else feature_NF.shape[1] == len(names)
    if len(feature_NF) != len(value_N) or not fits:
        raise InvalidInput(f"The observations of the predictor {name!r} do not fit together.", model=name)
    return Observations(
        view, tuple(config["formats"]), feature_NF, value_N, embedder, config["uses"], names=names
    )
