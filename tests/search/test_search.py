"""The search loop: budgets, limits, two objectives, reproducibility, and going on after a stop."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from service.contract.reading import read
from service.contract.search import SearchOptions
from service.errors import InvalidRequest, UnknownModel
from service.graph_io.cells import nasbench201
from service.graph_io.read import read_document
from service.predictors.features.network_cost import multiply_adds
from service.search.answer import answer
from service.search.evaluation import Evaluation
from service.search.nasbench import NASBench201Space
from service.search.pareto import front
from service.search.run import Outcome
from service.search.strategies import RandomSearch, RegularizedEvolution, Strategy


class Stopped(Exception):
    pass


def config(**options: Any) -> SearchOptions:
    least = {"space": "nasbench201", "predictor": "structure", "evaluations": 120}
    return read(SearchOptions, {**least, **options})


def test_the_front_is_what_nothing_dominates() -> None:
    random = Random(0)
    points = [(random.randrange(8), random.randrange(8)) for _ in range(60)]

    def dominated(point: tuple[int, int]) -> bool:
        return any(other != point and other[0] >= point[0] and other[1] >= point[1] for other in points)

    assert front(points) == [place for place, point in enumerate(points) if not dominated(point)]
    assert front([(1.0,), (3.0,), (3.0,), (2.0,)]) == [1, 2]
    assert front([]) == []


def _best_after(strategy: Strategy, evaluations: int) -> float:
    best = 0.0
    for _ in range(evaluations):
        document = strategy.ask()
        value = sum(edge.operation == "nor_conv_3x3" for edge in nasbench201.parse_cell(document["cell"]))
        strategy.tell(document, (float(value),))
        best = max(best, value)
    return best


def test_evolution_finds_what_random_search_does_not() -> None:
    space = NASBench201Space()
    evolved = [_best_after(RegularizedEvolution(space, Random(s), population=20), 200) for s in range(5)]
    drawn = [_best_after(RandomSearch(space, Random(s)), 200) for s in range(5)]
    assert evolved == [6.0] * 5
    assert sum(drawn) < 25


def test_the_oldest_dies_however_good() -> None:
    strategy = RegularizedEvolution(NASBench201Space(), Random(0), population=3, sample=3)
    best = strategy.ask()
    strategy.tell(best, (100.0,))
    for _ in range(3):
        strategy.tell(strategy.ask(), (0.0,))
    best_ops = [edge.operation for edge in nasbench201.parse_cell(best["cell"])]
    for _ in range(20):
        ops = [edge.operation for edge in nasbench201.parse_cell(strategy.ask()["cell"])]
        if sum(one != other for one, other in zip(ops, best_ops, strict=True)) > 1:
            return
    pytest.fail("the dead one still has children")


@pytest.mark.parametrize("algorithm", ["random", "evolution"])
def test_limits_hold_and_a_seed_decides(algorithm: str) -> None:
    asked = config(
        evaluations=60,
        algorithm=algorithm,
        max_parameters=600_000,
        max_multiply_adds=90_000_000,
        seed=3,
        top_k=3,
    )
    found = answer(asked).as_json()
    assert found["evaluations"] == 60 and found["ended"] == "evaluations" and found["refused"] > 0
    assert [entry["rank"] for entry in found["best"]] == [1, 2, 3]
    scores = [entry["score"] for entry in found["best"]]
    assert scores == sorted(scores, reverse=True)
    for entry in found["best"]:
        graph = read_document(entry["architecture"])
        assert entry["costs"] == {
            "parameters": graph.num_parameters,
            "multiply_adds": multiply_adds(graph),
        }
        assert graph.num_parameters <= 600_000 and multiply_adds(graph) <= 90_000_000
    curve = [point["best"] for point in found["curve"]]
    assert curve == sorted(set(curve)) and curve[-1] == scores[0]
    again = answer(asked).as_json()
    assert {**again, "seconds": 0} == {**found, "seconds": 0}
    assert answer(replace(asked, seed=4)).as_json()["best"] != found["best"]


def test_low_scores_can_be_wanted() -> None:
    high, low = answer(config()).as_json(), answer(config(order="ascending")).as_json()
    assert low["best"][0]["score"] <= low["best"][-1]["score"] < high["best"][-1]["score"]


def test_two_objectives_give_a_front() -> None:
    found = answer(config(space="nasbench101", evaluations=40, trade_off="parameters")).as_json()
    points = [(entry["score"], entry["costs"]["parameters"]) for entry in found["front"]]
    assert len(points) > 2
    assert points == sorted(points, reverse=True)
    for (score, cost), (less, cheaper) in pairwise(points):
        assert (less < score and cheaper < cost) or (less, cheaper) == (score, cost)
    assert found["trade_off"] == "parameters"


def test_a_stopped_search_goes_on_without_scoring_again() -> None:
    whole = answer(config()).as_json()
    known: dict[str, Evaluation | None] = {}

    def stop(outcome: Outcome) -> None:
        if len(outcome.items) >= 60:
            raise Stopped

    with pytest.raises(Stopped):
        answer(config(), report=stop, known=known)
    before = dict(known)
    assert 60 <= len(before) < 120

    resumed = answer(config(), known=known, seconds_before=10.0).as_json()
    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}
    assert resumed["seconds"] >= 10
    assert all(known[key] is evaluation for key, evaluation in before.items())


def test_a_budget_of_seconds_ends() -> None:
    found = answer(config(evaluations=None, seconds=0.2)).as_json()
    assert found["ended"] == "seconds" and 0.2 <= found["seconds"] < 5


def test_what_was_found_before_counts_even_where_the_time_was_used_up() -> None:
    known: dict[str, Evaluation | None] = {}
    whole = answer(config(), known=known).as_json()
    again = answer(config(evaluations=None, seconds=1.0), known=known, seconds_before=2.0).as_json()
    assert again["ended"] == "seconds" and again["evaluations"] > 120
    assert again["best"][0]["score"] >= whole["best"][0]["score"]


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.search.run.MOST_IDLE_DRAWS", 20)
    with pytest.raises(InvalidRequest, match="evaluations"):
        answer(config(evaluations=None))
    with pytest.raises(InvalidRequest, match="acceptable"):
        answer(config(max_multiply_adds=1))
    with pytest.raises(InvalidRequest, match="latency"):
        answer(config(max_latency=1.0))
    with pytest.raises(UnknownModel):
        answer(config(predictor="none-such"))
