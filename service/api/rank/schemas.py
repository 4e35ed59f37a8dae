"""What is asked of many architectures at once, and what the jobs answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.architectures import AnyDocument

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Architectures = Annotated[
    list[AnyDocument], Field(min_length=1, description="One that is wrong is skipped with the reason.")
]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RankOptions(_Asked):
    """Options of a ranking: fields of a JSON body, query parameters beside JSON lines."""

    predictor: ModelName | None = Field(
        default=None,
        description="A predictor, see GET /models; default: the one that ships for the property. Or "
        "`structure`: the decimal logarithm of the multiply-adds.",
    )
    property: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="What to rank by: without a predictor `accuracy` (the default), `robustness`, `latency` "
        "or `convergence`. Refused if the predictor predicts something else.",
    )
    order: Literal["ascending", "descending"] = Field(
        default="descending", description="`ascending` where less is better: of latencies, for example."
    )
    unconnected: Literal["skip", "last"] = Field(
        default="skip",
        description="Cells whose output nothing reaches: in `skipped`, or ranked behind all others with the "
        "score null.",
    )
    top_k: int | None = Field(default=None, ge=1, description="Answer the first so many only.")


class EmbedOptions(_Asked):
    """Options of embeddings and distances: fields of a JSON body, query parameters beside JSON lines."""

    model: ModelName | None = Field(default=None, description="Name of the GHN. Default: the server's.")


class RankRequest(RankOptions):
    architectures: Architectures


class EmbedRequest(EmbedOptions):
    architectures: Architectures


class Ranked(BaseModel):
    """`rank` counts from 1; `index` is the place in what was sent, from 0."""

    rank: int
    index: int
    name: str | None
    score: float | None = Field(description="null: the cell is no network, see `unconnected`.")
    value: float | None = Field(default=None, description="Of a fitted predictor: in observed units.")
    interval: list[float] | None = Field(default=None, description="Of a fitted predictor: 90%.")


class Skipped(BaseModel):
    """An architecture that could not be read or ranked, and why."""

    index: int
    name: str | None
    reason: str
    problem: dict[str, Any]


Timings = Annotated[dict[str, float], Field(description="By stage of the work, and `total`.")]


class RankResult(BaseModel):
    """`result` of a succeeded job of kind `rank`."""

    property: str
    predictor: str
    note: str | None = Field(default=None, description="What to know about the scores.")
    ranking: list[Ranked]
    skipped: list[Skipped]
    timings_ms: Timings


class EmbedResult(BaseModel):
    """`result` of a succeeded job of kind `embed`. Vectors of what could be read; `indices` are their places
    in what was sent.
    """

    model: str
    width: int
    embeddings: list[list[float]]
    indices: list[int]
    skipped: list[Skipped]
    timings_ms: Timings


class CompareResult(BaseModel):
    """`result` of a succeeded job of kind `compare`: Euclidean distances between embeddings."""

    model: str
    distances: list[list[float]]
    indices: list[int]
    skipped: list[Skipped]
    timings_ms: Timings
