"""What an architecture is worth, and whether it is allowed: predictors, costs, limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.contract.fields import Document
from service.contract.many import Order
from service.contract.scoring import Score
from service.contract.search import MULTIPLY_ADDS, PARAMETERS
from service.errors import InvalidRequest, ServiceError
from service.predictors.features.architectures import Reader
from service.predictors.features.network_cost import multiply_adds
from service.predictors.rankers.ranking import Ranker
from service.search.strategies import Fitness

LATENCY = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds; None where there is none. latency: in units of the latency predictor."""

    max_parameters: int | None = None
    max_multiply_adds: int | None = None
    max_latency: float | None = None

    def allow(self, costs: dict[str, float]) -> bool:
        bounds = {
            PARAMETERS: self.max_parameters,
            MULTIPLY_ADDS: self.max_multiply_adds,
            LATENCY: self.max_latency,
        }
        return all(bound is None or costs[name] <= bound for name, bound in bounds.items())


@dataclass(frozen=True, slots=True)
class Evaluation:
    """scores: what the predictor says, `score` and perhaps `value` and `interval`. costs: by name, those that
    a limit or the second objective asks for. fitness: one or two numbers, more is better.
    """

    scores: Score
    costs: dict[str, float]
    fitness: Fitness


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """ranker, order: the objective. trade_off: the second one, less is better; a name of COUNTED, or the
    ranker that predicts it. latency: what predicts the latency that a limit bounds.
    """

    ranker: Ranker
    read: Reader
    order: Order = "descending"
    trade_off: str | Ranker | None = None
    latency: Ranker | None = None
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if (self.limits.max_latency is None) != (self.latency is None):
            raise InvalidRequest(
                "A limit of the latency needs a predictor of it, and the other way round.",
                field="/max_latency",
                hint="Give max_latency and latency_predictor.",
            )

    def evaluate(self, documents: Sequence[Document]) -> list[Evaluation | ServiceError | None]:
        """For every architecture what it is worth; None where a limit forbids it, the error where a predictor
        cannot see it.
        """
        results: list[Evaluation | ServiceError | None] = [None] * len(documents)
        seen: list[int] = []
        rows: list[list[float]] = []
        costs: list[dict[str, float]] = []
        others: dict[str, list[list[float]]] = {name: [] for name in self._predicted}
        for place, document in enumerate(documents):
            try:
                row = self.ranker.features(document)
                counted = self._counted(document)
                other_rows = {name: ranker.features(document) for name, ranker in self._predicted.items()}
            except ServiceError as error:
                results[place] = error
                continue
            seen.append(place)
            rows.append(row)
            costs.append(counted)
            for name, other_row in other_rows.items():
                others[name].append(other_row)
        for name, ranker in self._predicted.items():
            for counted, cost in zip(costs, _values(ranker, others[name]), strict=True):
                counted[name] = cost
        allowed = [number for number, counted in enumerate(costs) if self.limits.allow(counted)]
        scored = self.ranker.scores([rows[number] for number in allowed]) if allowed else []
        for number, scores in zip(allowed, scored, strict=True):
            results[seen[number]] = Evaluation(scores, costs[number], self._fitness(scores, costs[number]))
        return results

    @property
    def trade_off_name(self) -> str | None:
        """Under which name `costs` has the second objective."""
        if self.trade_off is None or isinstance(self.trade_off, str):
            return self.trade_off
        return LATENCY if self.trade_off is self.latency else self.trade_off.property

    @property
    def _predicted(self) -> dict[str, Ranker]:
        """The costs that are predicted, by name."""
        values = {} if self.latency is None else {LATENCY: self.latency}
        name = self.trade_off_name
        if name is not None and not isinstance(self.trade_off, str | None):
            values[name] = self.trade_off
        return values

    def _counted(self, document: Document) -> dict[str, float]:
        """The costs that are counted, where somebody asks for them."""
        bounds = {PARAMETERS: self.limits.max_parameters, MULTIPLY_ADDS: self.limits.max_multiply_adds}
        names = [name for name, bound in bounds.items() if bound is not None or self.trade_off == name]
        if not names:
            return {}
        graph = self.read(document)
        counts = {PARAMETERS: lambda: graph.num_parameters, MULTIPLY_ADDS: lambda: multiply_adds(graph)}
        return {name: float(counts[name]()) for name in names}

    def _fitness(self, scores: Score, costs: dict[str, float]) -> Fitness:
        sign = 1.0 if self.order == "descending" else -1.0
        first = sign * scores["score"]
        name = self.trade_off_name
        return (first,) if name is None else (first, -costs[name])


def _values(ranker: Ranker, rows: list[list[float]]) -> list[float]:
    """What a predictor says, in observed units where it knows them."""
    return [float(score.get("value", score["score"])) for score in ranker.scores(rows)] if rows else []
