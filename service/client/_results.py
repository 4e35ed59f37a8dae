"""Typed answers. Fields that a newer service adds are kept (`model_extra`) rather than refused."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.client import _views

if TYPE_CHECKING:
    import pandas

    from service.plots import Chart

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())


class Progress(_Answer):
    """How far a job is. `total` is None while nobody knows; `message` is a short sentence."""

    done: float = 0
    total: float | None = None
    message: str = ""


class About(_Answer):
    """What a job is about, as far as it was said. name: of the model that a training makes, or of the
    architecture of a prediction or a fine-tuning. task: the kind of a training (ghn, predictor, hypernas,
    smash, finetune, search). model: the one that answers. space: where a search looks. architectures: how
    many.
    """

    name: str | None = None
    task: str | None = None
    model: str | None = None
    space: str | None = None
    architectures: int | None = None


class Job(_Answer):
    """A piece of work on the service. `result` depends on `kind`; `error` is a problem document."""

    id: str
    kind: str
    about: About = Field(default_factory=About)
    status: JobStatus
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: Progress | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    links: dict[str, str] | None = None

    @property
    def is_final(self) -> bool:
        return self.status in ("succeeded", "failed", "cancelled")

    def _repr_html_(self) -> str:
        from service.client.job_table import JobTable

        return JobTable([self])._repr_html_()


class JobEvent(_Answer):
    """One server-sent event of a job: `event` is progress, metrics or state, `data` what it says."""

    id: str = ""
    event: str = "message"
    data: dict[str, Any] = Field(default_factory=dict)


class WeightsFile(_Answer):
    """Where the predicted weights lie. `size` in bytes."""

    url: str
    size: int | None = None
    sha256: str | None = None


class PredictionResult(_Answer):
    """What the service says about a prediction; see `PredictedWeights` for the numbers themselves."""

    digest: str
    model: str
    cached: bool = False
    num_tensors: int
    num_parameters: int
    complete: bool
    coverage: float
    defaulted: list[str] = Field(default_factory=list)
    weights: WeightsFile
    timings_ms: dict[str, float] = Field(default_factory=dict)


class RankedArchitecture(_Answer):
    """`rank` counts from 1, `index` is the place in the list that was sent. score: None for a cell that is no
    network, where these were to be last.
    """

    rank: int
    index: int
    name: str | None = None
    score: float | None
    value: float | None = None
    interval: list[float] | None = None


class SkippedArchitecture(_Answer):
    """An architecture that could not be read, and why (a sentence or a problem document)."""

    index: int
    name: str | None = None
    reason: str | dict[str, Any] = ""


class Ranking(_Answer):
    property: str
    predictor: str | None = None
    ranking: list[RankedArchitecture]
    skipped: list[SkippedArchitecture] = Field(default_factory=list)
    timings_ms: dict[str, float] = Field(default_factory=dict)

    def plot(self) -> Chart:
        """A chart of the values with their intervals. Raises NotInstalled without the extra `plots`."""
        from service.plots import ranking_chart

        return ranking_chart(self.model_dump())

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each architecture, the best first. Raises NotInstalled without the extra `plots`."""
        return _views.to_frame(_views.ranking_rows(self), _views.RANKING)

    def _repr_html_(self) -> str:
        skipped = f", {len(self.skipped):,} skipped" if self.skipped else ""
        caption = f"{self.property} by {self.predictor}: {len(self.ranking):,} architectures{skipped}"
        return _views.to_html(caption, _views.ranking_rows(self), _views.RANKING)


class Embeddings(_Answer):
    """One vector for each architecture that could be read; `indices` are their places in what was sent."""

    model: str
    embeddings: list[list[float]]
    indices: list[int] = Field(default_factory=list)
    skipped: list[SkippedArchitecture] = Field(default_factory=list)
    timings_ms: dict[str, float] = Field(default_factory=dict)


class Comparison(_Answer):
    """`distances[i][j]` lies between the embeddings of architectures `indices[i]` and `indices[j]`."""

    model: str
    distances: list[list[float]]
    indices: list[int] = Field(default_factory=list)
    skipped: list[SkippedArchitecture] = Field(default_factory=list)
    timings_ms: dict[str, float] = Field(default_factory=dict)


class SetAside(_Answer):
    """index: place in the observations that were sent, from 0."""

    index: int
    reason: str
    problem: dict[str, Any] = {}


class HeldOut(_Answer):
    """value: of one observation; predicted: what a predictor said of it that had learned from others."""

    value: float
    predicted: float


class FittedPredictor(_Answer):
    """A predictor that ranks under the name `model` from now on. method: of the regression. kendall_tau_cv:
    how well it orders what it has not seen, 1 at best, by cross-validation; interval: 90%; certainty: the
    same as a sentence. n: observations that were used, of so many different networks; failed: trainings
    without a value; set_aside: observations of cells that are no network. held_out: from cross-validation; of
    many observations a part.
    """

    model: str
    property: str
    n: int
    networks: int | None = None
    failed: int = 0
    set_aside: list[SetAside] = []
    method: str = ""
    kendall_tau_cv: float
    interval: list[float]
    certainty: str = ""
    held_out: list[HeldOut] = []

    def plot(self) -> Chart:
        """A chart of predicted against measured values. Raises NotInstalled without the extra `plots`."""
        from service.plots import predictor_chart

        return predictor_chart(self.model_dump())


class Epoch(_Answer):
    """Measured before training (epoch 0) or after an epoch. Accuracies in percent of so many images; loss and
    training accuracy are means over the epoch, the validation accuracy is that of `eval()` mode.
    """

    epoch: int
    loss: float | None = None
    training_accuracy: float
    training_images: int | None = None
    validation_loss: float | None = None
    validation_accuracy: float
    validation_images: int | None = None


class Compared(_Answer):
    """The same training from one of two starts."""

    history: list[Epoch]
    test_accuracy: float


class Rival(_Answer):
    """The start that was given up after some epochs: predicted or random."""

    start: str
    history: list[Epoch]


class Verdict(_Answer):
    """Which of two starts was better, by so many percent of validation images (none where the other
    diverged), after so many epochs; and the same in a sentence.
    """

    better: str
    points: float | None = None
    images: int
    after_epochs: int
    sentence: str


class FineTuningResult(_Answer):
    """What the service says about a fine-tuned network. parameters: how many; images: that it was trained on,
    test_images: that its accuracy is of. history, kept_epoch: of the start that was kept, and its best epoch,
    whose weights these are. start: where its parameters came from. verdict: where there were two starts;
    predicted, random: where both were trained to the end; rival: where the other one was given up before.
    classes: in the order of its outputs. image_size: pixels a side, or height and width. inventory: classes
    and images of the data, and what was left out of them and why. unnamed_statistics: batch norms whose
    running statistics are not in the file.
    """

    digest: str
    weights: WeightsFile
    parameters: int
    history: list[Epoch]
    test_accuracy: float
    test_images: int | None = None
    start: dict[str, Any] = Field(default_factory=dict)
    data: str = ""
    classes: list[str] = Field(default_factory=list)
    images: int | None = None
    image_size: int | tuple[int, int] | None = None
    inventory: dict[str, Any] = Field(default_factory=dict)
    kept_epoch: int | None = None
    learning_rate: float | None = None
    verdict: Verdict | None = None
    predicted: Compared | None = None
    random: Compared | None = None
    rival: Rival | None = None
    unnamed_statistics: list[str] = Field(default_factory=list)
    seconds: float | None = None

    @property
    def histories(self) -> dict[str, list[Epoch]]:
        """By start, what was measured in every epoch, of as many as there were."""
        compared = {"predicted": self.predicted, "random": self.random}
        both = {start: other.history for start, other in compared.items() if other is not None}
        if both:
            return both
        rival = {} if self.rival is None else {self.rival.start: self.rival.history}
        return {self.start.get("start", "predicted"): self.history, **rival}


class FoundArchitecture(_Answer):
    """architecture: a document that every call takes. costs: by name, those that were asked for."""

    score: float
    value: float | None = None
    interval: list[float] | None = None
    architecture: dict[str, Any]
    costs: dict[str, float] = Field(default_factory=dict)


class SearchResult(_Answer):
    """best: in order, the first is the best. front: with two objectives, what nothing else surpasses in both.
    curve: the best score after so many evaluations, where it improved. ended: evaluations, seconds (which
    part of the budget was used), or exhausted (nothing new was left).
    """

    space: str
    predictor: str
    evaluations: int
    ended: str
    best: list[FoundArchitecture]
    front: list[FoundArchitecture] = Field(default_factory=list)
    curve: list[dict[str, float]] = Field(default_factory=list)

    def plot(self) -> Chart:
        """A chart of the progress, and of the front where there are two objectives. Raises NotInstalled
        without the extra `plots`.
        """
        from service.plots import search_chart

        return search_chart(self.model_dump())

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each of the best architectures, with its costs. Raises NotInstalled without the extra
        `plots`.
        """
        return _views.to_frame(_views.search_rows(self), _views.SEARCH)

    def _repr_html_(self) -> str:
        caption = f"the best of {self.evaluations:,} architectures of {self.space}, by {self.predictor}"
        return _views.to_html(caption, _views.search_rows(self), _views.SEARCH)


class Model(_Answer):
    """A checkpoint that the service can use: its record and measured scores."""

    name: str
    kind: str
    dataset: str | None = None
    num_classes: int | None = None
    description: str = ""
    digest: str | None = None
    size: int | None = None
    training: dict[str, Any] | None = None
    scores: dict[str, Any] | None = None


class Health(_Answer):
    """`ready` is False while the service cannot take work; `checks` says what is missing."""

    ready: bool
    checks: dict[str, Any] = Field(default_factory=dict)
