"""Folders of images for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def write_images(
    root: Path, counts: Mapping[str, int], *, ending: str = ".png", size: tuple[int, int] = (12, 10)
) -> Path:
    """counts: images by folder. The images of a folder have the red of its number, 0, 60, 120 and so on."""
    for number, (name, count) in enumerate(counts.items()):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            Image.new("RGB", size, (60 * number, index, 0)).save(folder / f"{index:03d}{ending}")
    return root


def write_deep(path: Path, value: int) -> None:
    """A grey PNG of 16 bits, of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), value, dtype=np.uint16)).save(path)
