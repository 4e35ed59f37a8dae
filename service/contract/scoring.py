"""What a `predictor` may be: a model that ranks by itself, or KIND:NAME, by whose weights networks are run on
images.
"""

from __future__ import annotations

from typing import NamedTuple, NotRequired, TypedDict

from service.contract.options import RANKS

PREDICTED_WEIGHTS = "predicted-weights"
# Scores by multiply-adds, and needs no model.
STRUCTURE = "structure"
PREDICTOR_NAME = r"^([a-z][a-z-]{0,31}:)?[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
# How many validation images a network is run on, where nothing is said.
IMAGES = 512


class Score(TypedDict):
    """What a predictor says of an architecture. score: higher is more. value, interval: in observed units,
    the interval of 90%. loss: of a network that was run on images.
    """

    score: float
    value: NotRequired[float]
    interval: NotRequired[list[float]]
    loss: NotRequired[float]


class Scorer(NamedTuple):
    """kind: whose weights networks are run with, "" where the model ranks by itself. model: its name. role:
    what it must be (`options.ModelUse`)."""

    kind: str
    model: str
    role: str

    @property
    def lacks(self) -> str:
        return f"{self.kind}:NAME needs a {self.role}" if self.kind else "it scores nothing by itself"


def scorer(predictor: str) -> Scorer:
    """What a predictor's name says. Raises ValueError for a kind whose models generate no weights."""
    from service.contract.kinds import image_rankers  # which knows the classes that have predictors

    kind, colon, model = predictor.partition(":")
    if not colon:
        return Scorer("", predictor, RANKS)
    kinds = (PREDICTED_WEIGHTS, *image_rankers())
    if kind not in kinds:
        raise ValueError(f"{kind}: generates no weights; these do: {', '.join(kinds)}")
    return Scorer(kind, model, "ghn" if kind == PREDICTED_WEIGHTS else kind)


def with_images() -> tuple[str, ...]:
    """How models that generate weights are named as predictors."""
    from service.contract.kinds import image_rankers  # which knows the classes that have predictors

    return (f"{PREDICTED_WEIGHTS}:GHN", *(f"{kind}:MODEL" for kind in image_rankers()))


def by_images(predictor: str | None) -> bool:
    return predictor is not None and ":" in predictor


def check_images(predictor: str | None, data: str | None, *, also: bool = False) -> None:
    """Raises ValueError for images where nothing needs them, and the other way round. also: something else
    needs them.
    """
    if predictor is not None:
        scorer(predictor)
    if (data is None) == (by_images(predictor) or also):
        raise ValueError("what runs or trains networks needs `data`, and nothing else does")


def space_model(predictor: str | None, space: str) -> str | None:
    """The model that scores, where it generates weights for the networks of this space alone."""
    kind, _, model = (predictor or "").partition(":")
    return model if kind == space else None
