"""What POST /training-jobs takes: a union by `kind`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, RootModel

from service.api.architectures import NASBENCH201_EXAMPLE
from service.api.training.finetune import FineTuneOptions
from service.api.training.ghn import GHNTraining
from service.api.training.options import ModelName, Options
from service.api.training.predictors import HyperNASTraining, PredictorTraining
from service.api.training.search import SearchOptions
from service.api.training.smash import SmashTraining


class ModelJob(Options):
    """What has a model as its outcome."""

    name: ModelName = Field(description="Name of the model that comes out.")
    replace: bool = Field(default=False, description="Take the place of a model of yours that has this name.")


class GHNJob(ModelJob):
    """Train a GHN. It can be used under `name` when the job is done."""

    kind: Literal["ghn"]
    config: GHNTraining


class PredictorJob(ModelJob):
    """Fit a predictor to your own results, in seconds. It ranks under `name` when the job is done."""

    kind: Literal["predictor"]
    config: PredictorTraining


class HyperNASJob(ModelJob):
    """Train a HyperNAS predictor. It ranks under `name` when the job is done."""

    kind: Literal["hypernas"]
    config: HyperNASTraining


class SmashJob(ModelJob):
    """Train a SMASH hypernetwork. It generates weights under `name` when the job is done."""

    kind: Literal["smash"]
    config: SmashTraining


class FineTuneJob(Options):
    """Train one network from the weights that a GHN predicts for it. Its weights are in the job's result; no
    model comes out.
    """

    kind: Literal["finetune"]
    name: ModelName | None = Field(default=None, description="What you call it; says nothing to us.")
    config: FineTuneOptions


class SearchJob(Options):
    """Search for good architectures. They are in the job's result; no model comes out."""

    kind: Literal["search"]
    name: ModelName | None = Field(default=None, description="What you call it; says nothing to us.")
    config: SearchOptions


AnyJob = GHNJob | PredictorJob | HyperNASJob | SmashJob | FineTuneJob | SearchJob


class TrainingRequest(RootModel[Annotated[AnyJob, Field(discriminator="kind")]]):
    """A training job; `kind` says which."""


TRAINING_EXAMPLE: dict[str, Any] = {
    "kind": "ghn",
    "name": "my-digits",
    "config": {"data": "digits", "minutes": 2},
}
_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_CELL = "|nor_conv_3x3~0|+|{}~0|skip_connect~1|+|{}~0|none~1|avg_pool_3x3~2|"
_CELLS = [_CELL.format(one, other) for one in _OPERATIONS[2:] for other in _OPERATIONS[1:4]]
EXAMPLES: dict[str, Any] = {
    "two minutes on digits": TRAINING_EXAMPLE,
    "a predictor from your own results": {
        "kind": "predictor",
        "name": "mine",
        "config": {
            "property": "accuracy",
            "observations": [
                {"architecture": {"format": "nasbench201", "cell": cell}, "value": 91.0 + number / 10}
                for number, cell in enumerate(_CELLS)
            ],
        },
    },
    "a network of your own": {
        "kind": "finetune",
        "name": "my-network",
        "config": {"architecture": NASBENCH201_EXAMPLE, "data": "cifar10", "epochs": 3, "images": 2000},
    },
    "a search": {
        "kind": "search",
        "config": {"space": "nasbench201", "evaluations": 500, "max_parameters": 1_000_000},
    },
}
