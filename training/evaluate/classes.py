"""Whether a GHN knows the classes of images: its last layers answer for those that it was trained on."""

from __future__ import annotations

from service.ghn.config import GHNConfig
from service.models.catalog import ModelCard
from training.data.dataset import Dataset

_MOST_NAMES = 10


def other_classes(card: ModelCard, config: GHNConfig, dataset: Dataset) -> str | None:
    """A sentence on what differs; None for the same classes in the same order, by their number where the
    model does not name them.
    """
    count = len(dataset.classes)
    if count not in config.class_counts:
        known = " or ".join(map(str, config.class_counts))
        return f"The model {card.name!r} knows {known} classes, {dataset.name} has {count}."
    # A card may know of fewer data sets than the configuration.
    data = dict(zip(config.class_counts, card.trained_data, strict=False)).get(count)
    if data is None or data.classes is None or data.classes == dataset.classes:
        return None
    ours, theirs = (", ".join(names[:_MOST_NAMES]) for names in (data.classes, dataset.classes))
    return f"The model {card.name!r} knows other classes than {dataset.name} has: {ours} are not {theirs}."
