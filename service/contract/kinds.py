"""The kinds of jobs: a row each. What the API takes, what a worker runs, what the command line and the client
offer follow from the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from service.contract.finetune import FineTuneOptions
from service.contract.ghn import GHNTraining
from service.contract.hypernas import HyperNASTraining
from service.contract.many import CompareRequest, EmbedRequest, RankRequest
from service.contract.options import RANKS, Options
from service.contract.predict import PredictRequest
from service.contract.predictor import PredictorTraining
from service.contract.search import SearchOptions
from service.contract.smash import SmashTraining

Queue = Literal["predict", "rank", "training"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """name: as records of jobs say it, of a training as its request says it. summary: of its requests.

    queue: "training" runs in a process of its own, for as long as it takes; the others in a worker's process.
    run: `module:function`, loaded where the work is done. The function of the queue "training" is called with
    the options and a `training.job.TrainingJob`, the others with a `service.workers.runtime.Runtime`, the
    payload, and what reports progress.
    result: `module:class` of the job's result, loaded where it is validated.
    """

    name: str
    summary: str
    options: type[Options]
    queue: Queue
    run: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingKind(JobKind):
    """publishes: whether a model of this kind comes out, under the name of the job; otherwise the result is
    all there is, and a name only what its owner calls it.
    title: what it is called, in short. task: what a job of it is called. heading: over a list of its models.
    does: what its models do, in words.
    lines: `module:function` that makes lines for a person of the result, as the command line shows them.
    use: how the model is used from the command line, of its `name` and the `data` that it was trained on.
    ranker: `module:function` of a model's card and a reader of documents: the `Ranker` of such a model, where
    it can score architectures by themselves. image_ranker: `module:class` of one that runs networks on
    images, and that the command line knows as KIND:NAME.
    """

    queue: Queue = "training"
    publishes: bool
    title: str
    task: str
    heading: str = ""
    does: str = ""
    lines: str | None = None
    use: str | None = None
    ranker: str | None = None
    image_ranker: str | None = None


_ANSWERS = (
    JobKind(
        name="predict",
        summary="Predict the weights of a network",
        options=PredictRequest,
        queue="predict",
        run="service.workers.runtime:Runtime.run_predict",
        result="service.contract.results:PredictionResult",
    ),
    JobKind(
        name="rank",
        summary="Rank architectures by a predicted property",
        options=RankRequest,
        queue="rank",
        run="service.workers.rank:run_rank",
        result="service.contract.results:Ranking",
    ),
    JobKind(
        name="embed",
        summary="Embed architectures as one vector each",
        options=EmbedRequest,
        queue="rank",
        run="service.workers.rank:run_embed",
        result="service.contract.results:Embeddings",
    ),
    JobKind(
        name="compare",
        summary="Compute distances between architectures",
        options=CompareRequest,
        queue="rank",
        run="service.workers.rank:run_compare",
        result="service.contract.results:Comparison",
    ),
)
_TRAININGS = (
    TrainingKind(
        name="ghn",
        title="GHN",
        task="GHN training",
        heading="Weight predictors (GHN)",
        summary="Train a GHN. It can be used under `name` when the job is done.",
        options=GHNTraining,
        run="training.ghn.job:train",
        lines="training.ghn.job:lines",
        use="weightcast predict SOURCE --model {name}",
        result="service.contract.training_results:GHNResult",
        publishes=True,
        does="predicts weights",
    ),
    TrainingKind(
        name="predictor",
        title="Regressor",
        task="Predictor fit",
        heading="Ranking predictors",
        summary="Fit a predictor to your own results, in seconds. It ranks under `name` when the job is "
        "done.",
        options=PredictorTraining,
        queue="rank",
        run="service.workers.fit_predictor:run_fit",
        result="service.contract.training_results:FittedPredictor",
        publishes=True,
        does="ranks",
        ranker="service.predictors.rankers.ranking:fitted_ranker",
    ),
    TrainingKind(
        name="hypernas",
        title="HyperNAS",
        task="HyperNAS training",
        heading="Ranking predictors (HyperNAS)",
        summary="Train a HyperNAS predictor. It ranks under `name` when the job is done.",
        options=HyperNASTraining,
        run="training.hypernas.run:train",
        use="weightcast rank FILE.jsonl --predictor {name}",
        result="service.contract.training_results:TrainedModel",
        publishes=True,
        does="ranks",
        ranker="service.predictors.hypernas.ranker:ranker_of",
    ),
    TrainingKind(
        name="smash",
        title="SMASH",
        task="SMASH training",
        heading="SMASH hypernetworks",
        summary="Train a SMASH hypernetwork. It generates weights under `name` when the job is done.",
        options=SmashTraining,
        run="training.smash.job:train",
        result="service.contract.training_results:TrainedModel",
        lines="training.smash.run:lines",
        use="weightcast rank FILE.jsonl --predictor smash:{name} --data {data}",
        publishes=True,
        does="generates weights for its own space",
        image_ranker="training.smash.ranker:SmashRanker",
    ),
    TrainingKind(
        name="finetune",
        title="Fine-tune",
        task="Fine-tuning",
        summary="Train one network, starting from weights that a GHN predicts. The trained weights are in "
        "the job's result; no model is published.",
        options=FineTuneOptions,
        run="training.finetune.job:train",
        result="service.contract.training_results:FineTuningResult",
        publishes=False,
    ),
    TrainingKind(
        name="search",
        title="Search",
        task="Search",
        summary="Search a space for good architectures. They are in the job's result; no model is published.",
        options=SearchOptions,
        run="service.search.job:run",
        result="service.contract.training_results:SearchResult",
        publishes=False,
    ),
)

# The kind of all training jobs in the records, and their queue.
TRAINING: Literal["training"] = "training"
# Jobs whose answers are the same for equal requests, and kept.
ANSWERS: dict[str, JobKind] = {row.name: row for row in _ANSWERS}
# Kinds of training jobs.
KINDS: dict[str, TrainingKind] = {row.name: row for row in _TRAININGS}


def plays(kind: str, role: str) -> bool:
    """Whether models of a kind can be used as a `ModelUse` says."""
    return role == kind or (role == RANKS and kind in KINDS and KINDS[kind].ranker is not None)


def image_rankers() -> dict[str, TrainingKind]:
    """Kinds whose models rank by running networks on images."""
    return {name: row for name, row in KINDS.items() if row.image_ranker is not None}


def model_kinds() -> tuple[str, ...]:
    """Kinds of models, which are those of the trainings that they come from."""
    return tuple(row.name for row in KINDS.values() if row.publishes)
