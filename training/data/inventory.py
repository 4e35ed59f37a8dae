"""What a data set consists of, for whoever trains on it: classes, images of each in each part, and what was
left out and why.
"""

from __future__ import annotations

from typing import Any

from training.data.dataset import Dataset


def source_fields(dataset: Dataset) -> dict[str, Any]:
    """Of the card of a model (`service.models.catalog.ModelCard`) that was trained on a data set."""
    place = {} if dataset.report is None else {"data_path": dataset.report.place}
    return {"classes": list(dataset.classes), **place}


def inventory(dataset: Dataset) -> dict[str, Any]:
    """A JSON document without paths of this machine; images: by part; classes: images by part, by class."""
    counts = {
        part: images.labels_N.bincount(minlength=len(dataset.classes)).tolist()
        for part, images in (
            ("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test)
        )
    }  # fmt: skip
    return {
        "name": dataset.name,
        "images": {part: sum(of) for part, of in counts.items()},
        "classes": {
            name: {part: of[label] for part, of in counts.items()}
            for label, name in enumerate(dataset.classes)
        },
        "mirror": dataset.mirror,
        **({} if dataset.report is None else dataset.report.document()),
    }
