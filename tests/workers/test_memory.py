"""What a worker remembers of architectures."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import InvalidArchitecture, ServiceError
from service.workers.memory import RememberingRanker, document_key


class Counting:
    """A ranker that says how often it was asked."""

    name, property, unit, note = "counting", "accuracy", "", None

    def __init__(self) -> None:
        self.read: list[str] = []
        self.scored: list[float] = []

    def features(self, document: Any) -> list[float]:
        self.read.append(document["cell"])
        if document["cell"] == "bad":
            raise InvalidArchitecture("no")
        return [float(len(document["cell"])), 0.5]

    def scores(self, rows: list[list[float]]) -> list[dict[str, Any]]:
        self.scored += [row[0] for row in rows]
        return [{"score": 10 * row[0] + row[1]} for row in rows]


def ask(ranker: RememberingRanker, *cells: str) -> list[float]:
    rows = [ranker.features({"format": "x", "cell": cell}) for cell in cells]
    return [said["score"] for said in ranker.scores(rows)]


def test_only_what_is_new_is_worked_out() -> None:
    counting = Counting()
    ranker = RememberingRanker(counting)
    assert ask(ranker, "a", "bb", "cc") == [10.5, 20.5, 20.5]
    assert counting.scored == [1.0, 2.0]
    assert ask(ranker, "dddd", "bb", "a") == [40.5, 20.5, 10.5]
    assert counting.read == ["a", "bb", "cc", "dddd"] and counting.scored == [1.0, 2.0, 4.0]
    for _ in range(2):
        with pytest.raises(ServiceError):
            ask(ranker, "bad")
    assert counting.read[-2:] == ["bad", "bad"]


def test_it_stays_bounded_and_right() -> None:
    counting = Counting()
    ranker = RememberingRanker(counting, capacity=2)
    assert ask(ranker, "a", "bb", "ccc", "dddd") == [10.5, 20.5, 30.5, 40.5]
    assert ask(ranker, "dddd", "a") == [40.5, 10.5]
    assert counting.read == ["a", "bb", "ccc", "dddd", "a"]


def test_an_answer_can_be_changed_by_its_reader() -> None:
    ranker = RememberingRanker(Counting())
    ranker.scores([[1.0, 0.0]])[0]["score"] = "changed"
    assert ranker.scores([[1.0, 0.0]]) == [{"score": 10.0}]


def test_names_make_no_difference_where_they_say_nothing() -> None:
    cell = {"format": "nasbench201", "cell": "|a|"}
    assert document_key({**cell, "name": "x"}) == document_key({"cell": "|a|", "format": "nasbench201"})
    networks = [{"format": "torchvision", "name": name} for name in ("resnet18", "resnet50")]
    assert document_key(networks[0]) != document_key(networks[1])
    assert document_key("text") != document_key(["text"])
