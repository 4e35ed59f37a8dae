from __future__ import annotations

from typing import Any

import pytest

from service.training_progress import progress_text


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"kind": "stage", "stage": "reading the images"}, "reading the images"),
        ({"kind": "pulse", "start": "predicted", "epoch": 2, "epochs": 5}, "predicted start, epoch 2 of 5"),
        ({"kind": "random", "epoch": 0, "loss": 2.3}, "random start, epoch 0"),
        ({"step": 60, "loss": 1.0}, "step 60"),
        ({"epoch": 3}, "epoch 3"),
        ({"kind": "data"}, ""),
    ],
)
def test_words(record: dict[str, Any], text: str) -> None:
    assert progress_text(record) == text
