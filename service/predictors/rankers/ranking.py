"""Architectures in order of what a predictor says; one that cannot be read is set aside with the reason.

Where no predictor is named it is the one that comes with Weightcast for the property: `ranker` for accuracy
(`pretrained.py`). There is also `structure`: the decimal logarithm of the multiply-adds, which needs no
trained network at all. It says that larger is better, which is right more often than not within one space
(Kendall's tau 0.65 with the accuracy of the NAS-Bench-201 cells) and nothing to trust across spaces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from service.contract.kinds import KINDS
from service.contract.many import Order, Unconnected
from service.contract.results import RankedArchitecture, Ranking, SkippedArchitecture
from service.contract.scoring import STRUCTURE, Score
from service.errors import InvalidArchitecture, InvalidRequest, NotConnected, ServiceError
from service.graph_io.entries import read_entry
from service.graph_io.read import format_of, read_document
from service.kit.json_types import JsonObject
from service.kit.references import resolve
from service.models.catalog import ModelCard, default_predictor, find_card
from service.predictors.features.architectures import Reader, is_bare_cell
from service.predictors.features.network_cost import multiply_adds
from service.predictors.features.structure import CONV1, CONV3, cell_structure
from service.predictors.rankers.pretrained import (
    PretrainedRanker,
    is_pretrained,
    nasbench201_multiply_adds,
)
from service.predictors.regressors.scores import SCORE_DECIMALS
from service.predictors.rounding import significant
from service.properties import best_first
from service.stages import stage

if TYPE_CHECKING:
    from service.predictors.rankers.fitted import FittedPredictor

ACCURACY = "accuracy"
STRUCTURE_NOTE = (
    "Training-free: the score is the decimal logarithm of the multiply-adds, nothing more. Its Kendall's tau "
    "with accuracy is 0.65 over the NAS-Bench-201 cells. Fit a predictor on a few of your own results for a "
    "better order."
)

Report = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """index: place in what was sent. document: the architecture, alone or beside other fields
    (`graph_io.entries`), or the error that reading its line gave.
    """

    index: int
    document: Any

    @property
    def name(self) -> str | None:
        inner = self.document.get("architecture") if isinstance(self.document, Mapping) else None
        for named in (self.document, inner):
            name = named.get("name") if isinstance(named, Mapping) else None
            if isinstance(name, str):
                return name[:256]
        return None


class Ranker(Protocol):
    """name, property: what made the scores. unit: of values, empty where it is not known. note: what a user
    must know about them, or nothing.
    """

    name: str
    property: str
    unit: str
    note: str | None

    def features(self, document: Any) -> list[float]: ...

    def scores(self, rows: list[list[float]]) -> list[Score]:
        """For every row `score`, higher is more, and whatever else there is to say."""
        ...


class StructureRanker:
    """No training: see the head of this file."""

    name: str = STRUCTURE
    property: str = ACCURACY
    unit: str = ""
    note: str | None = STRUCTURE_NOTE

    def __init__(self, read: Reader) -> None:
        self._read = read

    def features(self, document: Any) -> list[float]:
        if is_bare_cell(document) and format_of(document) == "nasbench201":
            cell = cell_structure(document)
            # Cells of one cost make networks of one cost; a cell without paths is refused by its reader.
            if cell.is_connected:
                return [log10(nasbench201_multiply_adds(cell.live.get(CONV3, 0), cell.live.get(CONV1, 0)))]
        operations = multiply_adds(self._read(document))
        if operations == 0:
            raise InvalidArchitecture("The network has no convolution or linear layer to count.")
        return [log10(operations)]

    def scores(self, rows: list[list[float]]) -> list[Score]:
        return [{"score": round(row[0], SCORE_DECIMALS)} for row in rows]


class FittedRanker:
    """Scores are normal scores of the observed values (`few_shot.Prediction`)."""

    def __init__(
        self, predictor: FittedPredictor, read: Reader, note: str | None = None, unit: str = ""
    ) -> None:
        self._predictor = predictor
        self._read = read
        self.note, self.unit = note, unit
        self.name, self.property = predictor.name, predictor.property

    def features(self, document: Any) -> list[float]:
        return self._predictor.features(document, read=self._read)

    def scores(self, rows: list[list[float]]) -> list[Score]:
        prediction = self._predictor.regressor.predict(np.array(rows, dtype=np.float64))
        return [
            {
                "score": round(float(score), SCORE_DECIMALS),
                "value": significant(value),
                "interval": [significant(low), significant(high)],
            }
            for score, value, low, high in zip(
                prediction.score_M, prediction.value_M, prediction.low_M, prediction.high_M, strict=True
            )
        ]


def find_ranker(
    predictor: str | None, property: str | None, *, read: Reader = read_document, space: str | None = None
) -> Ranker:
    """The predictor of that name; where none is named, the one that comes with Weightcast for the property.

    property: the property to rank by; None for whatever the predictor predicts. space: of all architectures,
    where they are of one.

    Raises UnknownModel, or InvalidRequest if it predicts another property than this one.
    """
    ranker = (
        StructureRanker(read)
        if predictor == STRUCTURE
        else _trained(predictor or default_predictor(property, space), read)
    )
    if property is not None and property != ranker.property:
        raise InvalidRequest(
            f"The predictor {ranker.name!r} predicts {ranker.property!r}, not {property[:80]!r}.",
            field="/property",
            hint=f"Name a predictor that was fitted on {property[:80]!r}, or rank by {ranker.property!r}.",
        )
    return ranker


def _trained(name: str, read: Reader) -> Ranker:
    """A model of the catalogue as a ranker; its kind decides which."""
    card = find_card(name)
    row = KINDS[card.kind]
    if row.ranker is not None:
        ranker: Ranker = resolve(row.ranker)(card, read)
        return ranker
    if row.image_ranker is not None:
        raise InvalidRequest(
            f"{name!r} is a {card.kind} model: its scores need images.",
            field="/predictor",
            hint=f"Rank with `weightcast rank FILE --predictor {card.kind}:{name} --data DATA`.",
        )
    raise InvalidRequest(f"{name!r} is a {card.kind}; it does not rank networks here.", field="/predictor")


def fitted_ranker(card: ModelCard, read: Reader) -> Ranker:
    """A predictor that was fitted to observations, or one that ships with Weightcast."""
    if is_pretrained(card):
        return PretrainedRanker(card, read)
    # Imported late: its regressors take a second, and other predictors have no use for them.
    from service.predictors.rankers.fitted import load_predictor

    note = card.scores.get("note")
    return FittedRanker(load_predictor(card.name), read, note if isinstance(note, str) else None, card.unit)


def skipped_entry(candidate: Candidate, error: ServiceError) -> SkippedArchitecture:
    """What is said of an architecture that was set aside."""
    return SkippedArchitecture(
        index=candidate.index, name=candidate.name, reason=error.detail, problem=dict(error.problem())
    )


@dataclass(frozen=True, slots=True)
class Looked:
    """What became of a candidate: a row of features, or the reason for which it is skipped; neither for a
    cell whose output nothing reaches. The document is let go: of thousands of graphs they would take
    gigabytes.
    """

    index: int
    name: str | None
    row: list[float] | None = None
    skipped: SkippedArchitecture | None = None


def look(candidate: Candidate, ranker: Ranker, unconnected: Unconnected = "skip") -> Looked:
    """unconnected: as `rank` has it."""
    index, name = candidate.index, candidate.name
    try:
        return Looked(index, name, ranker.features(read_entry(candidate.document).document))
    except ServiceError as error:
        if unconnected == "last" and isinstance(error, NotConnected):
            return Looked(index, name)
        return Looked(index, name, skipped=skipped_entry(candidate, error))


def rank(
    candidates: Iterable[Candidate],
    ranker: Ranker,
    *,
    top_k: int | None = None,
    order: Order | None = None,
    unconnected: Unconnected = "skip",
    report: Report = lambda done: None,
) -> Ranking:
    """Best first, with a `unit` and a `note` where the predictor has them.

    order: without one the best come first, which is the lowest latencies. Equal scores keep the order in
    which they came. unconnected: whether cells whose output nothing reaches are skipped, or come behind all
    others, with a score of None. The stages of the work are parse and score (`service.stages`).
    """
    looks = (look(candidate, ranker, unconnected) for candidate in candidates)
    return in_order(looks, ranker, top_k=top_k, order=order, report=report)


def in_order(
    looks: Iterable[Looked],
    ranker: Ranker,
    *,
    top_k: int | None = None,
    order: Order | None = None,
    report: Report = lambda done: None,
) -> Ranking:
    """`rank` of candidates that are looked at elsewhere."""
    read: list[Looked] = []
    rows: list[list[float]] = []
    last: list[Looked] = []
    skipped: list[SkippedArchitecture] = []
    with stage("parse"):
        for done, looked in enumerate(looks, start=1):
            if looked.skipped is not None:
                skipped.append(looked.skipped)
            elif looked.row is None:
                last.append(looked)
            else:
                read.append(looked)
                rows.append(looked.row)
            report(done)
    with stage("score"):
        scored = ranker.scores(rows) if rows else []
    order = order or best_first(ranker.property)
    sign = -1 if order == "descending" else 1
    best = sorted(range(len(read)), key=lambda place: sign * scored[place]["score"])
    ordered: list[tuple[Looked, JsonObject]] = [(read[place], {**scored[place]}) for place in best]
    ordered += [(looked, {"score": None}) for looked in last]
    ranking = [
        RankedArchitecture(rank=number, index=looked.index, name=looked.name, **score)
        for number, (looked, score) in enumerate(ordered[:top_k], start=1)
    ]
    answer = Ranking(
        property=ranker.property, predictor=ranker.name, order=order, ranking=ranking, skipped=skipped
    )
    words = {"unit": ranker.unit or None, "note": ranker.note}
    return answer.model_copy(update={name: text for name, text in words.items() if text is not None})
