"""The search itself: ask a strategy, score what it asks for, tell it, until the budget is used.

Deterministic for a seed and a budget of evaluations: a search that was stopped goes on where it was by being
run again with what it had found out (`known`), which costs no scoring.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from random import Random

from service.contract.fields import Document
from service.errors import InvalidRequest, ServiceError
from service.search.evaluation import Evaluation, Evaluator
from service.search.space import Space
from service.search.strategies import POPULATION, SAMPLE, Algorithm, Strategy, make_strategy

# After so many draws in a row that were known or not allowed, there is nothing left to find.
MOST_IDLE_DRAWS = 2000

# Called after every batch with the search so far; raises to stop it.
Report = Callable[["Outcome"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One of the two, or whichever ends first. evaluations: architectures that are scored."""

    evaluations: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.evaluations is None and self.seconds is None:
            raise InvalidRequest(
                "A search needs a budget.", field="/evaluations", hint="Give evaluations or seconds."
            )

    def share(self, evaluations: int, seconds: float) -> float:
        """How much of it is used, 0 to 1."""
        parts = [evaluations / self.evaluations] if self.evaluations else []
        parts += [seconds / self.seconds] if self.seconds else []
        return min(1.0, max(parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to search. population, sample: of the evolution."""

    algorithm: Algorithm = "evolution"
    seed: int = 0
    population: int = POPULATION
    sample: int = SAMPLE


@dataclass(slots=True)
class Outcome:
    """What a search has found. items: in the order in which they were scored. curve: (evaluations, best score
    so far) where it improved. refused: architectures that a limit or a predictor turned down. share: of the
    budget that is used. ended: why, once it has.
    """

    items: list[tuple[Document, Evaluation]] = field(default_factory=list)
    curve: list[tuple[int, float]] = field(default_factory=list)
    best: Evaluation | None = None
    refused: int = 0
    seconds: float = 0.0
    share: float = 0.0
    ended: str = ""

    def add(self, document: Document, evaluation: Evaluation) -> None:
        self.items.append((document, evaluation))
        if self.best is None or evaluation.fitness[0] > self.best.fitness[0]:
            self.best = evaluation
            self.curve.append((len(self.items), float(evaluation.scores["score"])))


def search(
    space: Space,
    evaluator: Evaluator,
    plan: Plan,
    budget: Budget,
    *,
    report: Report = lambda outcome: None,
    known: MutableMapping[str, Evaluation | None] | None = None,
    seconds_before: float = 0.0,
) -> Outcome:
    """Search until the budget is used, or nothing new is left.

    known: what was found out before, by `space.key`; what this search finds out is added. seconds_before:
    that it took.

    Raises InvalidRequest where no architecture that was drawn was allowed.
    """
    random = Random(f"weightcast/search/{plan.seed}")
    strategy = make_strategy(plan.algorithm, space, random, population=plan.population, sample=plan.sample)
    return _Search(space, evaluator, strategy, budget, report, {} if known is None else known).run(
        seconds_before
    )


class _Search:
    def __init__(
        self,
        space: Space,
        evaluator: Evaluator,
        strategy: Strategy,
        budget: Budget,
        report: Report,
        known: MutableMapping[str, Evaluation | None],
    ) -> None:
        self._space, self._evaluator, self._strategy = space, evaluator, strategy
        self._budget, self._report, self._known = budget, report, known
        # What the strategy has been told: of what is `known`, that which it asked for by now.
        self._evaluations: dict[str, Evaluation | None] = {}
        self._outcome = Outcome()
        self._idle = 0
        self._reason: ServiceError | None = None

    def run(self, seconds_before: float) -> Outcome:
        outcome, started = self._outcome, time.monotonic() - seconds_before
        while not outcome.ended:
            batch = self._draw()
            if not batch:
                outcome.ended = "exhausted"
                break
            is_new = self._learn(batch)
            for key, document in batch.items():
                self._take(key, document)
            outcome.seconds = time.monotonic() - started
            outcome.share = self._budget.share(len(outcome.items), outcome.seconds)
            if self._left() <= 0:
                outcome.ended = "evaluations"
            elif is_new and self._budget.seconds is not None and outcome.seconds >= self._budget.seconds:
                outcome.ended = "seconds"
            elif self._idle >= MOST_IDLE_DRAWS:
                outcome.ended = "exhausted"
            self._report(outcome)
        if not outcome.items:
            raise self._nothing()
        return outcome

    def _left(self) -> float:
        most = self._budget.evaluations
        return math.inf if most is None else most - len(self._outcome.items)

    def _draw(self) -> dict[str, Document]:
        """Some architectures that the strategy has not been told of. None where it finds none."""
        batch: dict[str, Document] = {}
        size = min(self._strategy.batch, self._left())
        while len(batch) < size and self._idle < MOST_IDLE_DRAWS:
            document = self._strategy.ask()
            key = self._space.key(document)
            if key not in self._evaluations and key not in batch:
                batch[key] = document
                continue
            self._idle += 1
            again = self._evaluations.get(key)
            if again is not None:
                self._strategy.tell(document, again.fitness)
        return batch

    def _learn(self, batch: Mapping[str, Document]) -> bool:
        """Score what is not known. False where all was: going over it again takes nobody's time."""
        fresh = [key for key in batch if key not in self._known]
        results = self._evaluator.evaluate([batch[key] for key in fresh])
        for key, result in zip(fresh, results, strict=True):
            if isinstance(result, ServiceError):
                self._reason = self._reason or result
                result = None
            self._known[key] = result
        return bool(fresh)

    def _take(self, key: str, document: Document) -> None:
        evaluation = self._known[key]
        self._evaluations[key] = evaluation
        if evaluation is None:
            self._outcome.refused += 1
            self._idle += 1
            return
        self._idle = 0
        self._strategy.tell(document, evaluation.fitness)
        self._outcome.add(document, evaluation)

    def _nothing(self) -> InvalidRequest:
        reason = None if self._reason is None else self._reason.detail
        return InvalidRequest(
            f"None of {self._outcome.refused:,} architectures that were drawn was acceptable.",
            field="/space" if reason else "",
            reason=reason,
            hint="Use a predictor that knows this space." if reason else "Raise the limits.",
        )
