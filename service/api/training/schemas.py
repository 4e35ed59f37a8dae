"""What POST /training-jobs takes: a union by `kind`, made of the rows of `service.contract.kinds`."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model

from service.api.architectures import NASBENCH201_EXAMPLE
from service.contract.kinds import KINDS, TrainingKind
from service.contract.options import MODEL_NAME, Options
from service.kit.json_types import JsonObject

_ModelName = Annotated[str, Field(pattern=MODEL_NAME)]
_LABEL = Field(default=None, description="Your own label for the job; the service does not use it.")


class JobRequest(BaseModel):
    """A training job of any kind. config: options of the kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    name: str | None
    config: Options

    @property
    def row(self) -> TrainingKind:
        return KINDS[self.kind]


class ModelRequest(JobRequest):
    """One that a model comes of. replace: take the place of a model of the same owner that has this name."""

    name: _ModelName = Field(description="Name of the trained model.")
    replace: bool = Field(default=False, description="Replace your own model of this name.")


def training_request() -> type[RootModel[JobRequest]]:
    """A training job; `kind` says which."""
    return _union_of(tuple(KINDS.values()))


@lru_cache(maxsize=4)
def _union_of(rows: tuple[TrainingKind, ...]) -> type[RootModel[JobRequest]]:
    union: Any = Union[tuple(_request_of(row) for row in rows)]  # noqa: UP007
    root: Any = RootModel[Annotated[union, Field(discriminator="kind")]]
    made: type[RootModel[JobRequest]] = create_model(
        "TrainingRequest", __base__=root, __doc__=training_request.__doc__
    )
    return made


def _request_of(row: TrainingKind) -> type[JobRequest]:
    fields: JsonObject = {"kind": (Literal[row.name], ...), "config": (row.options, ...)}
    base: type[JobRequest] = ModelRequest
    if not row.publishes:
        base, fields["name"] = JobRequest, (_ModelName | None, _LABEL)
    title = row.options.__name__.removesuffix("Training").removesuffix("Options")
    return create_model(f"{title}Job", __base__=base, __doc__=row.summary, **fields)


TRAINING_EXAMPLE: JsonObject = {
    "kind": "ghn",
    "name": "my-digits",
    "config": {"data": "digits", "minutes": 2},
}
_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_CELL = "|nor_conv_3x3~0|+|{}~0|skip_connect~1|+|{}~0|none~1|avg_pool_3x3~2|"
_CELLS = [_CELL.format(one, other) for one in _OPERATIONS[2:] for other in _OPERATIONS[1:4]]
EXAMPLES: JsonObject = {
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
