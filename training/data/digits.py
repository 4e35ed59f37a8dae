"""The 8x8 digits that scikit-learn brings. They are read from its file: importing the library takes almost as
long as importing torch.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from service.extras import check_installed
from training.data.dataset import Dataset, ImageSet, to_bytes

# A line of the file: the grey values of 8x8 pixels, 0 to 16, and the class.
_FILE = Path("datasets", "data", "digits.csv.gz")
_MOST = 16
# Means and deviations of the training images, 0 to 1.
_COLOURS = ((0.305, 0.305, 0.305), (0.376, 0.376, 0.376))
_TEST, _VALIDATION = 360, 200


def load_digits(height: int, width: int) -> Dataset:
    """1,797 images, mixed in the same way always. Raises NotInstalled without scikit-learn."""
    check_installed("sklearn")
    table = np.loadtxt(_library() / _FILE, delimiter=",", dtype=np.float32)
    table = table[np.random.default_rng(0).permutation(len(table))]
    grey = torch.from_numpy(table[:, :-1].reshape(-1, 1, 8, 8)).mul_(255 / _MOST)
    images = to_bytes(F.interpolate(grey, (height, width), mode="bilinear", align_corners=False))
    whole = ImageSet(images.expand(-1, 3, -1, -1), torch.from_numpy(table[:, -1]).long())
    rest, test = whole.split(_TEST)
    train, validation = rest.split(_VALIDATION)
    return Dataset("digits", tuple(map(str, range(10))), train, validation, test, *_COLOURS, mirror=False)


def _library() -> Path:
    spec = find_spec("sklearn")
    assert spec is not None and spec.origin is not None  # installed, as `check_installed` says
    return Path(spec.origin).parent
