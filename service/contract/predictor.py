"""Fitting a predictor to observations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from service.contract.fields import option
from service.contract.options import MODEL_NAME, ModelUse, Observed, Options

Features = Literal["structure", "embedding", "both"]
Failed = Literal["leave-out", "lowest", "highest"]


@dataclass(frozen=True, kw_only=True)
class Fitting(Options):
    """How a predictor learns from observations."""

    features: Features = field(
        default="structure",
        metadata=option(
            "What to learn from: counts over a network's structure, its embedding by a GHN, or both."
        ),
    )
    ghn: str | None = field(
        default=None,
        metadata=option("GHN for the embeddings. Default: the server's.", pattern=MODEL_NAME),
    )
    failed: Failed = field(
        default="leave-out",
        metadata=option(
            "What to do with failed trainings (value null): leave them out, or count them as the lowest or "
            "as the highest value."
        ),
    )

    def models(self) -> Iterator[ModelUse]:
        if self.ghn is not None:
            yield ModelUse("ghn", self.ghn, "ghn", "it embeds nothing")


@dataclass(frozen=True, kw_only=True)
class PredictorTraining(Fitting, Observed):
    """`config` of kind `predictor`: a regressor that is fitted to your own results, in seconds."""
