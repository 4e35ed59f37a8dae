"""Results as rows: what notebooks show of them, and what data frames hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from service.client import _html
from service.extras import optional_imports
from service.weights.scales import Scale

if TYPE_CHECKING:
    import pandas

    from service.client._results import Ranking, SearchResult
    from service.contract.training_results import Epoch

Row = Mapping[str, Any]

RANKING = ("rank", "index", "name", "value", "low", "high", "score")
SEARCH = ("rank", "value", "low", "high", "score")
SCALES = ("name", "shape", "numbers", "from", "std", "he_std", "std_over_he")
HISTORY = ("start", "epoch", "loss", "training_accuracy", "validation_loss", "validation_accuracy")


def ranking_rows(ranking: Ranking) -> list[Row]:
    """low, high: of the 90% interval, where the predictor says one."""
    return [
        {"rank": row.rank, "index": row.index, "name": row.name, **_valued(row), "score": row.score}
        for row in ranking.ranking
    ]


def search_rows(result: SearchResult) -> list[Row]:
    return [
        {"rank": rank, **_valued(entry), "score": entry.score, **entry.costs}
        for rank, entry in enumerate(result.best, start=1)
    ]


def history_rows(histories: Mapping[str, Sequence[Epoch]]) -> list[Row]:
    """histories: by start."""
    return [
        {"start": start, **{name: getattr(epoch, name) for name in HISTORY[1:]}}
        for start, epochs in histories.items()
        for epoch in epochs
    ]


def scale_rows(scales: Iterable[Scale]) -> list[Row]:
    """numbers: how many the parameter has. he_std: deviation of He initialisation; none for vectors."""
    return [
        {
            "name": scale.name,
            "shape": "x".join(map(str, scale.shape)) or "scalar",
            "numbers": prod(scale.shape),
            "from": str(scale.provenance),
            "std": scale.std,
            "he_std": scale.he,
            "std_over_he": scale.ratio,
        }
        for scale in scales
    ]


def to_frame(rows: Sequence[Row], columns: Sequence[str]) -> pandas.DataFrame:
    """Raises NotInstalled without pandas (the extra `plots`)."""
    with optional_imports():
        from pandas import DataFrame
    return DataFrame(list(rows), columns=_all(rows, columns))


def to_html(caption: str, rows: Sequence[Row], columns: Sequence[str], *, count: int | None = None) -> str:
    """Columns that hold nothing are left out. count: of all rows, where these are the first."""
    named = [name for name in _all(rows, columns) if any(row.get(name) is not None for row in rows)]
    cells = ([row.get(name) for name in named] for row in rows)
    return _html.table(caption, named, cells, count=len(rows) if count is None else count)


def _all(rows: Iterable[Row], columns: Sequence[str]) -> list[str]:
    """And what rows have beside them, such as the costs of a search."""
    return list(dict.fromkeys((*columns, *(name for row in rows for name in row))))


def _valued(item: Any) -> dict[str, float | None]:
    low, high = item.interval or (None, None)
    return {"value": item.value, "low": low, "high": high}
