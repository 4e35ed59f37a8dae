"""A search from the options of a request to the answer, for the worker and the command line alike."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

from service.contract.search import SearchOptions
from service.graph_io.read import read_document
from service.predictors.features.architectures import Reader
from service.predictors.rankers.ranking import Ranker, find_ranker
from service.search.evaluation import COUNTED, Evaluation, Evaluator, Limits
from service.search.pareto import front
from service.search.run import Budget, Found, Plan, Report, search
from service.search.space import Document, find_space
from service.search.strategies import Fitness

# Points of the curve and of the front in an answer.
_MOST_POINTS = 200


def answer(
    options: SearchOptions,
    *,
    read: Reader = read_document,
    report: Report = lambda found: None,
    known: MutableMapping[str, Evaluation | None] | None = None,
    seconds_before: float = 0.0,
) -> dict[str, Any]:
    """Search as the options say.

    read: reads documents. report, known, seconds_before: as `search` has them.

    Raises InvalidRequest, UnknownModel.
    """
    evaluator = _evaluator(options, read)
    plan = Plan(
        algorithm=options.algorithm,
        seed=options.seed,
        population=options.population,
        sample=options.sample,
    )
    found = search(
        find_space(options.space),
        evaluator,
        plan,
        Budget(evaluations=options.evaluations, seconds=options.seconds),
        report=report,
        known=known,
        seconds_before=seconds_before,
    )
    said = {"space": options.space, "algorithm": plan.algorithm, "seed": plan.seed}
    return {**said, **summary(found, evaluator, top_k=options.top_k)}


def _evaluator(options: SearchOptions, read: Reader) -> Evaluator:
    """Raises UnknownModel, InvalidRequest."""

    def ranker(name: str | None) -> Ranker:
        return find_ranker(name, None, read=read)

    trade_off, latency = options.trade_off, options.latency_predictor
    latency_ranker = None if latency is None else ranker(latency)
    if trade_off is None or trade_off in COUNTED:
        other: str | Ranker | None = trade_off
    else:
        other = latency_ranker if trade_off == latency else ranker(trade_off)
    return Evaluator(
        ranker=ranker(options.predictor),
        read=read,
        order=options.order,
        trade_off=other,
        latency=latency_ranker,
        limits=Limits(
            max_parameters=options.max_parameters,
            max_multiply_adds=options.max_multiply_adds,
            max_latency=options.max_latency,
        ),
    )


def summary(found: Found, evaluator: Evaluator, *, top_k: int) -> dict[str, Any]:
    """What a search answers: `best`, the first `top_k` architectures as documents with their scores; `front`,
    where there are two objectives; `curve`.
    """
    fitnesses = [evaluation.fitness for _, evaluation in found.items]
    answer: dict[str, Any] = {
        "predictor": evaluator.ranker.name,
        "property": evaluator.ranker.property,
        "order": evaluator.order,
        "trade_off": evaluator.trade_off_name,
        "evaluations": len(found.items),
        "refused": found.refused,
        "seconds": round(found.seconds, 2),
        "ended": found.ended,
        "best": [
            {"rank": rank, **_entry(*found.items[place])}
            for rank, place in enumerate(_best_first(fitnesses)[:top_k], start=1)
        ],
        "curve": [{"evaluations": at, "best": best} for at, best in _thinned(found.curve)],
    }
    if evaluator.ranker.note is not None:
        answer["note"] = evaluator.ranker.note
    if evaluator.trade_off is not None:
        places = sorted(front(fitnesses), key=lambda place: fitnesses[place], reverse=True)
        answer["front"] = [_entry(*found.items[place]) for place in _thinned(places)]
    return answer


def _entry(document: Document, evaluation: Evaluation) -> dict[str, Any]:
    return {**evaluation.scores, "costs": evaluation.costs, "architecture": document}


def _thinned(points: list[Any]) -> list[Any]:
    """At most so many of them, the first and the last included."""
    if len(points) <= _MOST_POINTS:
        return points
    step = (len(points) - 1) / (_MOST_POINTS - 1)
    return [points[round(number * step)] for number in range(_MOST_POINTS)]


def _best_first(fitnesses: Sequence[Fitness]) -> list[int]:
    """Places in order of the first objective, the earlier of equals first."""
    return sorted(range(len(fitnesses)), key=lambda place: -fitnesses[place][0])
