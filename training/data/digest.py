"""Whether data are the same as before."""

from __future__ import annotations

import hashlib
import json

from training.data.dataset import Dataset


def data_digest(dataset: Dataset) -> str:
    """Of the names of the classes, and every image and label of all parts: 64 hexadecimal digits."""
    digest = hashlib.sha256(json.dumps(dataset.classes).encode())
    for part in (dataset.train, dataset.validation, dataset.test):
        digest.update(json.dumps(list(part.images_NCHW.shape)).encode())
        digest.update(part.images_NCHW.contiguous().numpy().data)
        digest.update(part.labels_N.contiguous().numpy().data)
    return digest.hexdigest()
