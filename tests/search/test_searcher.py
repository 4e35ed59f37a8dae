"""Search with an oracle that is dear."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import InvalidRequest
from service.predictors.features.architectures import feature_names, features_of
from service.search.nasbench import NASBench201Space
from service.search.searcher import Searcher
from service.search.space import find_space


def worth(document: dict[str, Any]) -> float:
    """Something that the structure decides, with its best far from the middle."""
    row = dict(zip(feature_names("cell"), features_of(document, "cell"), strict=True))
    return row["most_conv3"] + 0.5 * row["paths"] - row["live_p"]


def run(searcher: Searcher, queries: int) -> list[float]:
    values = []
    for _ in range(queries):
        document = searcher.ask()
        values.append(worth(document))
        searcher.tell(document, values[-1])
    return values


def test_it_finds_better_ones_than_it_started_with_and_asks_nothing_twice() -> None:
    searcher = Searcher(NASBench201Space(), seed=0, initial=10, candidates=150)
    values = run(searcher, 40)
    assert max(values[20:]) > max(values[:10])
    assert sum(values[20:]) / 20 > sum(values[:10]) / 10 + 1
    cells = [document["cell"] for document, _ in searcher.observations]
    assert len(set(cells)) == 40
    assert searcher.best[1] == max(values)


def test_it_is_deterministic() -> None:
    runs = [run(Searcher(NASBench201Space(), seed=1, initial=6, candidates=50), 12) for _ in range(2)]
    assert runs[0] == runs[1]


def test_upper_confidence_and_other_spaces() -> None:
    searcher = Searcher(find_space("nasbench101"), initial=6, candidates=30, acquisition="upper_confidence")
    assert len(set(run(searcher, 12))) > 3


def test_what_is_refused() -> None:
    searcher = Searcher(NASBench201Space())
    with pytest.raises(InvalidRequest, match="no result"):
        _ = searcher.best
    document = searcher.ask()
    with pytest.raises(InvalidRequest, match="finite"):
        searcher.tell(document, float("nan"))
    with pytest.raises(InvalidRequest):
        Searcher(NASBench201Space(), initial=2)
