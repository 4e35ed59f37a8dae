"""A search from the options of a request to the answer, for the worker and the command line alike."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from random import Random
from typing import Any, Protocol

from service.contract.fields import Document
from service.contract.scoring import by_images, space_model
from service.contract.search import COUNTED, SearchOptions
from service.contract.training_results import CurvePoint, FoundArchitecture, SearchResult, TrainedGroups
from service.errors import InvalidRequest, ServiceError
from service.graph_io.read import read_document
from service.kit.json_types import JsonObject
from service.predictors.features.architectures import Reader
from service.predictors.rankers.ranking import Ranker, find_ranker
from service.properties import best_first
from service.search.comparison import compared
from service.search.evaluation import Evaluation, Evaluator, Limits
from service.search.pareto import front
from service.search.run import Budget, Outcome, Plan, Report, search
from service.search.space import Space, WithClasses, find_space
from service.search.strategies import Fitness

_MOST_DRAWS = 1000
# Points of the curve and of the front in an answer.
_MOST_POINTS = 200


class Images(Protocol):
    """What scores by generated weights, and training, need."""

    @property
    def classes(self) -> int: ...

    def ranker(self, predictor: str) -> Ranker: ...

    def trained_accuracy(self, document: Document) -> float:
        """Percent of test images."""
        ...


def answer(
    options: SearchOptions,
    *,
    read: Reader = read_document,
    report: Report = lambda outcome: None,
    known: MutableMapping[str, Evaluation | None] | None = None,
    seconds_before: float = 0.0,
    images: Images | None = None,
    trained: MutableMapping[str, float] | None = None,
) -> SearchResult:
    """Search as the options say.

    read: reads documents. images: where the options need some. trained: accuracies by `space.key` of what was
    trained before; what is trained is added. report, known, seconds_before: as `search` has them.

    Raises InvalidRequest, UnknownModel.
    """
    evaluator = _evaluator(options, read, images)
    space = find_space(options.space, model=space_model(options.predictor, options.space))
    if images is not None:
        space = WithClasses(space, images.classes)
    plan = Plan(
        algorithm=options.algorithm,
        seed=options.seed,
        population=options.population,
        sample=options.sample,
    )
    outcome = search(
        space,
        evaluator,
        plan,
        Budget(evaluations=options.evaluations, seconds=options.seconds),
        report=report,
        known=known,
        seconds_before=seconds_before,
    )
    result = summary(outcome, evaluator, options)
    if options.train is None or images is None:
        return result
    groups = _trained(outcome, space, options, images, {} if trained is None else trained)
    return result.model_copy(update={"trained": groups})


def _trained(
    outcome: Outcome,
    space: Space,
    options: SearchOptions,
    images: Images,
    known: MutableMapping[str, float],
) -> TrainedGroups:
    """The best and as many random architectures after training. Raises InvalidRequest where a space has none
    that can be trained.
    """
    count, random = options.train or 0, Random(f"weightcast/search/train/{options.seed}")
    order = _best_first([evaluation.fitness for _, evaluation in outcome.items])
    best = [outcome.items[place][0] for place in order[:count]]
    if len(best) < 2:
        raise InvalidRequest(
            "Only one architecture was found: nothing to compare.",
            field="/evaluations",
            hint="Search longer.",
        )

    def accuracy(document: Document) -> float:
        key = space.key(document)
        if key not in known:
            known[key] = images.trained_accuracy(document)
        return known[key]

    drawn: list[float] = []
    refused: ServiceError | None = None
    for _ in range(_MOST_DRAWS):
        if len(drawn) == count:
            break
        try:
            drawn.append(accuracy(space.sample(random)))
        except ServiceError as error:  # no network, or one that does not take the images
            refused = error
    if len(drawn) < count:
        raise refused or InvalidRequest("Nothing that was drawn can be trained.", field="/space")
    return compared([accuracy(document) for document in best], drawn, epochs=options.train_epochs)


def _evaluator(options: SearchOptions, read: Reader, images: Images | None) -> Evaluator:
    """Raises UnknownModel, InvalidRequest."""

    def ranker(name: str | None) -> Ranker:
        if name is not None and images is not None and by_images(name):
            return images.ranker(name)
        return find_ranker(name, None, read=read, space=options.space)

    trade_off, latency = options.trade_off, options.latency_predictor
    latency_ranker = None if latency is None else ranker(latency)
    if trade_off is None or trade_off in COUNTED:
        other: str | Ranker | None = trade_off
    else:
        other = latency_ranker if trade_off == latency else ranker(trade_off)
    objective = ranker(options.predictor)
    return Evaluator(
        ranker=objective,
        read=read,
        order=options.order or best_first(objective.property),
        trade_off=other,
        latency=latency_ranker,
        limits=Limits(
            max_parameters=options.max_parameters,
            max_multiply_adds=options.max_multiply_adds,
            max_latency=options.max_latency,
        ),
    )


def summary(outcome: Outcome, evaluator: Evaluator, options: SearchOptions) -> SearchResult:
    """What a search answers, with a `front` where there are two objectives."""
    fitnesses = [evaluation.fitness for _, evaluation in outcome.items]
    best = [_entry(*outcome.items[place]) for place in _best_first(fitnesses)[: options.top_k]]
    result = SearchResult(
        space=options.space,
        algorithm=options.algorithm,
        seed=options.seed,
        predictor=evaluator.ranker.name,
        property=evaluator.ranker.property,
        unit=evaluator.ranker.unit,
        order=evaluator.order,
        trade_off=evaluator.trade_off_name,
        evaluations=len(outcome.items),
        refused=outcome.refused,
        seconds=round(outcome.seconds, 2),
        ended=outcome.ended,
        best=[entry.model_copy(update={"rank": rank}) for rank, entry in enumerate(best, start=1)],
        curve=[CurvePoint(evaluations=at, best=score) for at, score in _thinned(outcome.curve)],
    )
    further: JsonObject = {}
    if evaluator.ranker.note is not None:
        further["note"] = evaluator.ranker.note
    if evaluator.trade_off is not None:
        places = sorted(front(fitnesses), key=lambda place: fitnesses[place], reverse=True)
        further["front"] = [_entry(*outcome.items[place]) for place in _thinned(places)]
    return result.model_copy(update=further)


def _entry(document: Document, evaluation: Evaluation) -> FoundArchitecture:
    return FoundArchitecture(**evaluation.scores, costs=evaluation.costs, architecture=document)


def _thinned(points: list[Any]) -> list[Any]:
    """At most so many of them, the first and the last included."""
    if len(points) <= _MOST_POINTS:
        return points
    step = (len(points) - 1) / (_MOST_POINTS - 1)
    return [points[round(number * step)] for number in range(_MOST_POINTS)]


def _best_first(fitnesses: Sequence[Fitness]) -> list[int]:
    """Places in order of the first objective, the earlier of equals first."""
    return sorted(range(len(fitnesses)), key=lambda place: -fitnesses[place][0])
