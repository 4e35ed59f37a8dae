"""The data sets of a run: one, or two that its networks learn from in turn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.errors import InvalidRequest, ServiceError
from service.json_pointer import pointer
from training.data.dataset import Dataset
from training.data.inventory import source_fields
from training.data.load import configured_dataset
from training.ghn.recipe import TrainConfig


@dataclass(frozen=True)
class DataSets:
    """each: the first one has the classes that unseen networks are measured on.

    Raises InvalidRequest if two have equally many classes: nothing else tells whose classifier a network
    gets.
    """

    each: tuple[Dataset, ...]

    def __post_init__(self) -> None:
        if len(set(self.class_counts)) < len(self.each):
            raise InvalidRequest(
                f"Both data sets have {self.class_counts[0]} classes.",
                field="/also_data",
                hint="A network gets the classifier of the data set that has as many classes: join such data "
                "in one folder, or train on one of them.",
            )

    @property
    def first(self) -> Dataset:
        return self.each[0]

    @property
    def class_counts(self) -> list[int]:
        return [len(dataset.classes) for dataset in self.each]

    @property
    def classes(self) -> list[str]:
        """Names of the classes of all data sets, in their order."""
        return [name for dataset in self.each for name in dataset.classes]

    def card_fields(self) -> dict[str, Any]:
        """Of the card of a model that was trained on them."""
        first, *more = (
            {"dataset": dataset.name, "num_classes": len(dataset.classes), **source_fields(dataset)}
            for dataset in self.each
        )
        return {**first, "also": more[0]} if more else first


def load_data_sets(config: TrainConfig, cache_dir: Path | None, copies: int) -> DataSets:
    """cache_dir, copies: as `load_dataset` takes them. Raises what that raises, with the field of the data
    set at fault.
    """
    loaded = []
    for each, option in zip(config.image_sets, ("data", "also_data"), strict=False):
        try:
            loaded.append(configured_dataset(each, cache_dir, copies=copies))
        except ServiceError as error:
            if error.extra.get("field") == pointer("data"):
                error.extra["field"] = pointer(option)
            raise
    return DataSets(tuple(loaded))
