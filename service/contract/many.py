"""Ranking, embedding and comparing many architectures at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from typing_extensions import TypedDict

from service.contract.fields import AnyDocument, Limits, option
from service.contract.options import MODEL_NAME, Options

Order = Literal["ascending", "descending"]
Unconnected = Literal["skip", "last"]
Architectures = Annotated[
    list[AnyDocument], Limits("One that is wrong is skipped with the reason.", min_length=1)
]


@dataclass(frozen=True, kw_only=True)
class RankOptions(Options):
    """Options of a ranking: fields of a JSON body, query parameters beside JSON lines."""

    predictor: str | None = field(
        default=None,
        metadata=option(
            "A predictor, see GET /models; default: the one that ships for the property. Or `structure`: the "
            "decimal logarithm of the multiply-adds.",
            pattern=MODEL_NAME,
        ),
    )
    property: str | None = field(
        default=None,
        metadata=option(
            "What to rank by: without a predictor `accuracy` (the default), `robustness`, `latency` or "
            "`convergence`. Refused if the predictor predicts something else.",
            min_length=1, max_length=100,
        ),
    )  # fmt: skip
    order: Order = field(
        default="descending",
        metadata=option("`ascending` where less is better: of latencies, for example."),
    )
    unconnected: Unconnected = field(
        default="skip",
        metadata=option(
            "Cells whose output nothing reaches: in `skipped`, or ranked behind all others with the score "
            "null."
        ),
    )
    top_k: int | None = field(default=None, metadata=option("Answer the first so many only.", ge=1))


@dataclass(frozen=True, kw_only=True)
class EmbedOptions(Options):
    """Options of embeddings and distances: fields of a JSON body, query parameters beside JSON lines."""

    model: str | None = field(
        default=None, metadata=option("Name of the GHN. Default: the server's.", pattern=MODEL_NAME)
    )


@dataclass(frozen=True, kw_only=True)
class RankRequest(RankOptions):
    """Architectures to put in order."""

    architectures: Architectures


@dataclass(frozen=True, kw_only=True)
class EmbedRequest(EmbedOptions):
    """Architectures to embed, or to compare."""

    architectures: Architectures


class RankQuestion(TypedDict):
    """A ranking, whatever is ranked. predictor_digest: None for what needs no model."""

    predictor: str
    predictor_digest: str | None
    property: str
    order: Order
    unconnected: Unconnected
    top_k: int | None


class EmbedQuestion(TypedDict):
    model: str
    model_digest: str


Question = RankQuestion | EmbedQuestion


def model_of(question: Question) -> str:
    """The model that answers."""
    return str(question.get("predictor") or question.get("model"))


class RankPayload(RankQuestion):
    """What travels to the worker. architectures: artifact with a JSON text a line."""

    architectures: str


class EmbedPayload(EmbedQuestion):
    """What travels to the worker. architectures: artifact with a JSON text a line."""

    architectures: str
