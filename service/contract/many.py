"""Ranking, embedding and comparing many architectures at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from typing_extensions import TypedDict

from service.contract.fields import AnyDocument, Limits, option
from service.contract.options import DATA_NAME, MODEL_NAME, SERVED_DATA, SKIP_BAD, Options
from service.contract.scoring import IMAGES, PREDICTOR_NAME, check_images
from service.kit.json_types import JsonObject

Order = Literal["ascending", "descending"]
Unconnected = Literal["skip", "last"]
Distance = Literal["embedding", "nodes"]
Architectures = Annotated[
    list[AnyDocument], Limits("The architectures. An invalid one is skipped, with the reason.", min_length=1)
]


@dataclass(frozen=True, kw_only=True)
class RankOptions(Options):
    """Options of a ranking: fields of a JSON body, query parameters beside JSON lines."""

    predictor: str | None = field(
        default=None,
        metadata=option(
            "Name of a predictor; GET /models lists them. Default: the shipped one for the property. "
            "`structure` scores by the decimal logarithm of the multiply-adds. `predicted-weights:GHN` and "
            "`KIND:MODEL` generate weights for every network and run it on images of `data`.",
            pattern=PREDICTOR_NAME,
        ),
    )
    property: str | None = field(
        default=None,
        metadata=option(
            "Property to rank by: `accuracy` (the default), `robustness`, `latency` or `convergence`. With a "
            "`predictor`, it must be the property that it predicts.",
            min_length=1, max_length=100,
        ),
    )  # fmt: skip
    order: Order | None = field(
        default=None,
        metadata=option(
            "Default: best first, that is `ascending` for `latency`, `convergence`, `loss` and `error`, and "
            "`descending` for everything else."
        ),
    )
    unconnected: Unconnected = field(
        default="skip",
        metadata=option(
            "What to do with cells that have no path to their output: list them in `skipped`, or rank them "
            "last, with a score of null."
        ),
    )
    top_k: int | None = field(default=None, metadata=option("Return only the first N.", ge=1))
    data: str | None = field(
        default=None,
        metadata=option(f"Images for generated weights: {SERVED_DATA}.", pattern=DATA_NAME),
    )
    images: int = field(
        default=IMAGES, metadata=option("Number of validation images of `data` to use.", ge=2, le=100_000)
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
            "`embedding`: Euclidean distances between embeddings. `nodes`: cost of the best assignment "
            "between "
            "the nodes, where each pair of different primitives and each node without a partner costs 1; "
            "needs no model."
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


class ManyPayload(TypedDict):
    """What travels to the worker. options: of the kind, with the names of what answers. model_digest: of the
    model among them; None for what needs none. architectures: artifact with a JSON text a line.
    """

    options: JsonObject
    model_digest: str | None
    architectures: str
