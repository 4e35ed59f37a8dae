"""Results of jobs, as they travel: what workers answer, the API publishes and the client returns.

Fields that a newer service adds are kept (`model_extra`) rather than refused; what an older one does not say
has a default.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.kit.json_types import JsonObject


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())

    def as_json(self) -> JsonObject:
        """The document that travels: without the fields that nobody set."""
        return self.model_dump(mode="json", exclude_unset=True)


class WeightsFile(Answer):
    """Where weights lie."""

    url: str = Field(description="Path of the file on this server.")
    size: int | None = Field(default=None, description="Bytes.")
    sha256: str | None = Field(default=None, description="SHA-256 of the file, hexadecimal; also its ETag.")

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


class Exit(Answer):
    """A classifier of a network with early exits."""

    node: str = Field(description="Its node in the network.")
    multiply_adds: int = Field(
        description="Of one input, when it answers: of all that has run by then, earlier exits among it."
    )
    parameters: list[str] = Field(description="The exit's own, by name.")


class PredictionResult(Answer):
    """`result` of a succeeded job of kind `predict`; see `PredictedWeights` for the numbers themselves."""

    digest: str = Field(description="Same architecture, model and options: same digest.")
    model: str
    cached: bool = Field(default=False, description="Whether the answer comes from the cache.")
    num_tensors: int
    num_parameters: int
    complete: bool = Field(description="Every trainable parameter of the network is in the file.")
    coverage: float = Field(description="Share of the parameters whose values come from the GHN, 0 to 1.")
    numbers: dict[str, int] = Field(
        default_factory=dict,
        description="How many numbers were `predicted` at full shape, `tiled` from a smaller prediction, and "
        "`defaulted`: initialised by the standard rule.",
    )
    notes: list[str] = Field(
        default_factory=list,
        description="What to know before trusting the weights: normalisation layers that the exporter folded "
        "away, names that it made up, other classes than the GHN's.",
    )
    defaulted: list[str] = Field(
        default_factory=list,
        description="Tensors with the standard initialisation instead of predicted values.",
    )
    exits: list[Exit] = Field(
        default_factory=list,
        description="Of a network with early exits, in order of execution: weights are predicted for all.",
    )
    weights: WeightsFile
    timings_ms: dict[str, float] = Field(default_factory=dict)


Timings = Annotated[dict[str, float], Field(description="Milliseconds by stage of the work, and `total`.")]


class RankedArchitecture(Answer):
    """`rank` counts from 1; `index` is the place in what was sent, from 0."""

    rank: int
    index: int
    name: str | None = None
    score: float | None = Field(
        description="null: the cell is not a network; only with `unconnected` set to `last`."
    )
    value: float | None = Field(
        default=None,
        description="Of a fitted predictor: the predicted value, in the units of the observations.",
    )
    interval: list[float] | None = Field(
        default=None, description="Of a fitted predictor: 90% interval of the value."
    )
    loss: float | None = Field(
        default=None, description="Of a network that was run on images: its mean loss."
    )


class SkippedArchitecture(Answer):
    """An architecture that could not be read or ranked, and why."""

    index: int
    name: str | None = None
    reason: str | JsonObject = Field(default="", description="Why it was skipped, in a sentence.")
    problem: JsonObject = Field(default_factory=dict, description="The problem document.")


class Ranking(Answer):
    """`result` of a succeeded job of kind `rank`."""

    property: str
    predictor: str | None = None
    order: Literal["ascending", "descending"] = "descending"
    unit: str = Field(default="", description="Unit of `value` and `interval`; empty if it is not known.")
    note: str | None = Field(default=None, description="What to know about the scores.")
    ranking: list[RankedArchitecture]
    skipped: list[SkippedArchitecture] = Field(default_factory=list)
    timings_ms: Timings = Field(default_factory=dict)


class Embeddings(Answer):
    """`result` of a succeeded job of kind `embed`. One vector for each architecture that could be read;
    `indices` are their places in what was sent.
    """

    model: str
    width: int | None = None
    embeddings: list[list[float]]
    indices: list[int] = Field(default_factory=list)
    skipped: list[SkippedArchitecture] = Field(default_factory=list)
    timings_ms: Timings = Field(default_factory=dict)


class Comparison(Answer):
    """`result` of a succeeded job of kind `compare`. `distances[i][j]` lies between architectures
    `indices[i]` and `indices[j]`: Euclidean between their embeddings, or the cost of an assignment of their
    nodes."""

    model: str | None = Field(description="null for distances by nodes, which need no model.")
    distances: list[list[float]]
    indices: list[int] = Field(default_factory=list)
    skipped: list[SkippedArchitecture] = Field(default_factory=list)
    timings_ms: Timings = Field(default_factory=dict)
