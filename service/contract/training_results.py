"""Results of training jobs."""

from __future__ import annotations

from pydantic import Field

from service.contract.results import Answer, WeightsFile
from service.kit.json_types import JsonObject


class Inventory(Answer):
    """What a data set consists of: images by part (train, validation, test), the same of every class, and of
    a folder what was left out of it and why.
    """

    name: str
    images: dict[str, int]
    classes: dict[str, dict[str, int]]
    mirror: bool


class TrainedModel(Answer):
    """A model that can be used under the name `model` from now on. minutes: of training. scores: what was
    measured.
    """

    model: str
    kind: str
    steps: int
    minutes: float
    scores: JsonObject
    observations: dict[str, int] | None = Field(
        default=None,
        description="How many observations were used, of how many networks, and how many failed.",
    )
    inventory: Inventory | None = None


class GHNResult(TrainedModel):
    """`result` of a succeeded training of kind `ghn`. networks: that it learned from; skipped: steps without
    a finite gradient. scores: of unseen networks with predicted weights, in percent, by split.
    """

    networks: int
    skipped: int


class Epoch(Answer):
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


class Compared(Answer):
    """The same training from one of two starts."""

    history: list[Epoch]
    test_accuracy: float


class Rival(Answer):
    """The start that was given up after some epochs: predicted or random."""

    start: str
    history: list[Epoch]


class Verdict(Answer):
    """Which of two starts is kept, and how much better it was: `points` percent of the validation images (0:
    equally accurate; null: the other one diverged), after `after_epochs` epochs. sentence: the same in words.
    """

    better: str
    points: float | None = None
    images: int
    after_epochs: int
    sentence: str


class FineTuning(Answer):
    """What came of a fine-tuning. parameters: how many; images: that it was trained on,
    test_images: that its accuracy is of. history, kept_epoch: of the start that was kept, and its best epoch,
    whose weights these are. start: where its parameters came from. verdict: where there were two starts;
    predicted, random: where both were trained to the end; rival: where the other one was given up before.
    classes: in the order of its outputs. image_size: pixels a side, or height and width. inventory: classes
    and images of the data, and what was left out of them and why. unnamed_statistics: batch norms whose
    running statistics are not in the file.
    """

    parameters: int
    history: list[Epoch]
    test_accuracy: float
    test_images: int | None = None
    start: JsonObject = Field(default_factory=dict)
    data: str = ""
    classes: list[str] = Field(default_factory=list)
    images: int | None = None
    image_size: int | tuple[int, int] | None = None
    inventory: JsonObject = Field(default_factory=dict)
    kept_epoch: int | None = None
    learning_rate: float | None = None
    verdict: Verdict | None = None
    predicted: Compared | None = None
    random: Compared | None = None
    rival: Rival | None = None
    unnamed_statistics: list[str] = Field(default_factory=list)
    seconds: float | None = None


class FineTuningResult(FineTuning):
    """`result` of a succeeded training of kind `finetune`: the same, and where its weights lie."""

    digest: str
    weights: WeightsFile


class FoundArchitecture(Answer):
    """architecture: a document that every call takes. costs: by name, those that were asked for."""

    rank: int | None = Field(default=None, description="Among the best, from 1.")
    score: float
    value: float | None = None
    interval: list[float] | None = None
    loss: float | None = None
    architecture: JsonObject
    costs: dict[str, float] = Field(default_factory=dict)


class Mean(Answer):
    """interval: 90%."""

    mean: float
    interval: list[float]


class TrainedGroup(Mean):
    """values: accuracies on test images, percent."""

    values: list[float]


class TrainedGroups(Answer):
    """Networks that were trained for so many epochs from random weights. difference: of the means, best minus
    random; the interval is Welch's.
    """

    epochs: int
    best: TrainedGroup
    random: TrainedGroup
    difference: Mean


class CurvePoint(Answer):
    """best: score after so many evaluations."""

    evaluations: int
    best: float


class SearchResult(Answer):
    """best: in order, the first is the best. front: with two objectives, what nothing else surpasses in both.
    curve: the best score after so many evaluations, where it improved. ended: evaluations, seconds (which
    part of the budget was used), or exhausted (nothing new was left).
    """

    space: str
    algorithm: str = ""
    seed: int | None = None
    predictor: str
    property: str | None = None
    unit: str = Field(default="", description="Unit of the scores; empty if there is none.")
    note: str | None = Field(default=None, description="What to know about the scores.")
    order: str = "descending"
    trade_off: str | None = None
    evaluations: int
    refused: int = Field(default=0, description="Number of draws that exceeded a limit.")
    seconds: float | None = None
    ended: str
    best: list[FoundArchitecture]
    front: list[FoundArchitecture] = Field(default_factory=list)
    curve: list[CurvePoint] = Field(default_factory=list)
    trained: TrainedGroups | None = Field(
        default=None, description="With `train`: accuracies of the best and of random networks."
    )


class SetAside(Answer):
    """index: place in the observations that were sent, from 0."""

    index: int
    reason: str
    problem: JsonObject = Field(default_factory=dict)


class HeldOut(Answer):
    """value: of one observation; predicted: what a predictor said of it that had learned from others."""

    value: float
    predicted: float


class FittedPredictor(Answer):
    """A predictor that ranks under the name `model` from now on. method: of the regression. kendall_tau_cv:
    how well it orders what it has not seen, 1 at best, by cross-validation; interval: 90%; certainty: the
    same as a sentence. n: observations that were used, of so many different networks; failed: trainings
    without a value; set_aside: observations of cells that are no network. held_out: from cross-validation; of
    many observations a part.
    """

    model: str
    kind: str = "predictor"
    property: str
    n: int
    networks: int | None = None
    failed: int = 0
    set_aside: list[SetAside] = Field(default_factory=list)
    method: str = ""
    kendall_tau_cv: float
    interval: list[float]
    certainty: str = ""
    held_out: list[HeldOut] = Field(default_factory=list)
