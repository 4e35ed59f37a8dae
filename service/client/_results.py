"""Typed answers: those of the contract, with views of them, and records of jobs and models. Fields that a
newer service adds are kept (`model_extra`) rather than refused.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from service.client import _views
from service.contract import results, training_results
from service.contract.results import Answer
from service.contract.training_results import Epoch
from service.kit.json_types import JsonObject

if TYPE_CHECKING:
    import pandas

    from service.plots import Chart

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class Progress(Answer):
    """How far a job is. `total` is None while nobody knows; `message` is a short sentence."""

    done: float = 0
    total: float | None = None
    message: str = ""


class About(Answer):
    """What a job is about, as far as it was said. name: of the model that a training makes, or of the
    architecture of a prediction or a fine-tuning. task: the kind of a training. model: the one that answers.
    space: where a search looks. architectures: how many.
    """

    name: str | None = None
    task: str | None = None
    model: str | None = None
    space: str | None = None
    architectures: int | None = None


class Job(Answer):
    """A piece of work on the service. `result` depends on `kind`; `error` is a problem document."""

    id: str
    kind: str
    about: About = Field(default_factory=About)
    status: JobStatus
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: Progress | None = None
    result: JsonObject | None = None
    error: JsonObject | None = None
    links: dict[str, str] | None = None

    @property
    def is_final(self) -> bool:
        return self.status in ("succeeded", "failed", "cancelled")

    def _repr_html_(self) -> str:
        from service.client.job_table import JobTable

        return JobTable([self])._repr_html_()


class JobEvent(Answer):
    """One server-sent event of a job: `event` is progress, metrics or state, `data` what it says."""

    id: str = ""
    event: str = "message"
    data: JsonObject = Field(default_factory=dict)


class Ranking(results.Ranking):
    """Architectures in order."""

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


class FittedPredictor(training_results.FittedPredictor):
    """A predictor that ranks under the name `model` from now on; see the fields of the contract."""

    def plot(self) -> Chart:
        """A chart of predicted against measured values. Raises NotInstalled without the extra `plots`."""
        from service.plots import predictor_chart

        return predictor_chart(self.model_dump())


class FineTuningResult(training_results.FineTuningResult):
    """What the service says about a fine-tuned network."""

    @property
    def histories(self) -> dict[str, list[Epoch]]:
        """By start, what was measured in every epoch, of as many as there were."""
        compared = {"predicted": self.predicted, "random": self.random}
        both = {start: other.history for start, other in compared.items() if other is not None}
        if both:
            return both
        rival = {} if self.rival is None else {self.rival.start: self.rival.history}
        return {self.start.get("start", "predicted"): self.history, **rival}


class SearchResult(training_results.SearchResult):
    """What a search found."""

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


class Model(Answer):
    """A checkpoint that the service can use: its record and measured scores."""

    name: str
    kind: str
    dataset: str | None = None
    num_classes: int | None = None
    also: JsonObject | None = None
    description: str = ""
    digest: str | None = None
    size: int | None = None
    training: JsonObject | None = None
    scores: JsonObject | None = None


class Health(Answer):
    """`ready` is False while the service cannot take work; `checks` says what is missing."""

    ready: bool
    checks: JsonObject = Field(default_factory=dict)
