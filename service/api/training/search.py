"""What a search may be told."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, FiniteFloat, model_validator

from service.api.training.options import ModelName, Options, Seed


class SearchOptions(Options):
    """`config` of kind `search`. Give `evaluations`, `seconds`, or both: whichever ends first."""

    space: Literal["nasbench201", "nasbench101", "nats_size", "nasbench_macro", "darts"] = Field(
        description="Where to search."
    )
    algorithm: Literal["evolution", "random"] = Field(
        default="evolution", description="Regularised evolution (Real et al. 2019), or random draws."
    )
    predictor: ModelName | None = Field(
        default=None, description="What scores architectures, as in POST /rank-architectures."
    )
    order: Literal["descending", "ascending"] = Field(
        default="descending", description="Whether high or low scores are wanted."
    )
    trade_off: ModelName | None = Field(
        default=None,
        description="A second objective, less is better: `parameters`, `multiply_adds`, or the name of a "
        "predictor. The result then has the Pareto front.",
    )
    evaluations: int | None = Field(
        default=None, ge=1, le=1_000_000, description="How many architectures are scored."
    )
    seconds: FiniteFloat | None = Field(default=None, gt=0, description="How long to search.")
    max_parameters: int | None = Field(default=None, ge=1)
    max_multiply_adds: int | None = Field(default=None, ge=1, description="For one input.")
    max_latency: FiniteFloat | None = Field(
        default=None, gt=0, description="In units of the latency predictor's observations."
    )
    latency_predictor: ModelName | None = Field(
        default=None, description="A predictor that was fitted on latencies; what `max_latency` bounds."
    )
    seed: Seed = 0
    top_k: int = Field(default=10, ge=1, le=1000, description="How many of the best are answered.")
    population: int = Field(default=50, ge=2, le=10_000, description="Of the evolution: how many live.")
    sample: int = Field(default=10, ge=1, le=10_000, description="Of the evolution: how many compete.")

    @model_validator(mode="after")
    def _complete(self) -> SearchOptions:
        if self.evaluations is None and self.seconds is None:
            raise ValueError("give evaluations, seconds, or both")
        if (self.max_latency is None) != (self.latency_predictor is None):
            raise ValueError("give max_latency and latency_predictor, or neither")
        return self

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)

    def predictors(self) -> dict[str, str]:
        """Names of models that are needed, by the field that asks for them."""
        asked = {
            "predictor": self.predictor,
            "trade_off": self.trade_off,
            "latency_predictor": self.latency_predictor,
        }
        built_in = ("structure", "parameters", "multiply_adds", None)
        return {field: name for field, name in asked.items() if name is not None and name not in built_in}
