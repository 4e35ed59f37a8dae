"""Ranking, embedding and comparing many architectures at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, NotRequired, final

from typing_extensions import TypedDict

from service.contract.fields import AnyDocument, Limits, option
from service.contract.options import DATA_NAME, MODEL_NAME, SKIP_BAD, Options
from service.contract.scoring import IMAGES, PREDICTOR_NAME, check_images

Order = Literal["ascending", "descending"]
Unconnected = Literal["skip", "last"]
Distance = Literal["embedding", "nodes"]
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
            "decimal logarithm of the multiply-adds. Or `predicted-weights:GHN` or `smash:MODEL`, which run "
            "every network, with weights of the model, on images of `data`.",
            pattern=PREDICTOR_NAME,
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
    order: Order | None = field(
        default=None,
        metadata=option(
            "Default: the best first, which is `ascending` for `latency`, `convergence`, `loss` and `error`, "
            "and `descending` for all others."
        ),
    )
    unconnected: Unconnected = field(
        default="skip",
        metadata=option(
            "Cells whose output nothing reaches: in `skipped`, or ranked behind all others with the score "
            "null."
        ),
    )
    top_k: int | None = field(default=None, metadata=option("Return only the first N.", ge=1))
    data: str | None = field(
        default=None,
        metadata=option(
            "Images for generated weights: `digits`, `cifar10`, or the name of a folder or zip file of "
            "images in the server's data folder.",
            pattern=DATA_NAME,
        ),
    )
    images: int = field(
        default=IMAGES, metadata=option("So many validation images, of those.", ge=2, le=100_000)
    )
    skip_bad: bool = field(default=True, metadata=option(SKIP_BAD))

    def __post_init__(self) -> None:
        check_images(self.predictor, self.data)


@dataclass(frozen=True, kw_only=True)
class EmbedOptions(Options):
    """Options of embeddings and distances: fields of a JSON body, query parameters beside JSON lines."""

    model: str | None = field(
        default=None, metadata=option("Name of the GHN. Default: the server's.", pattern=MODEL_NAME)
    )


@dataclass(frozen=True, kw_only=True)
class CompareOptions(EmbedOptions):
    """Options of distances."""

    by: Distance = field(
        default="embedding",
        metadata=option(
            "Euclidean distances between embeddings; or the cost of the best assignment between the nodes: "
            "1 for each pair that is not of one primitive and each node without a partner. It needs no "
            "model."
        ),
    )

    def __post_init__(self) -> None:
        if self.by == "nodes" and self.model is not None:
            raise ValueError("distances by nodes need no model")


@dataclass(frozen=True, kw_only=True)
class CompareRequest(CompareOptions):
    """Architectures to compare."""

    architectures: Architectures


@dataclass(frozen=True, kw_only=True)
class RankRequest(RankOptions):
    """Architectures to put in order."""

    architectures: Architectures


@dataclass(frozen=True, kw_only=True)
class EmbedRequest(EmbedOptions):
    """Architectures to embed."""

    architectures: Architectures


class OnImages(TypedDict):
    """What networks with generated weights are run on."""

    data: str
    images: int
    skip_bad: bool


class RankQuestion(TypedDict):
    """A ranking, whatever is ranked. predictor_digest: None for what needs no model."""

    predictor: str
    predictor_digest: str | None
    property: str
    order: Order
    unconnected: Unconnected
    top_k: int | None
    on_images: NotRequired[OnImages]


class EmbedQuestion(TypedDict):
    model: str
    model_digest: str


class NodesQuestion(TypedDict):
    by: Literal["nodes"]


Question = RankQuestion | EmbedQuestion | NodesQuestion


def model_of(question: Question) -> str | None:
    """The model that answers; None where it takes none."""
    name = question.get("predictor") or question.get("model")
    return None if name is None else str(name)


class RankPayload(RankQuestion):
    """What travels to the worker. architectures: artifact with a JSON text a line."""

    architectures: str


@final
class EmbedPayload(EmbedQuestion):
    """What travels to the worker. architectures: artifact with a JSON text a line."""

    architectures: str


@final
class NodesPayload(NodesQuestion):
    """What travels to the worker. architectures: artifact with a JSON text a line."""

    architectures: str
