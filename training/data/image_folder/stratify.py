"""Images held out of every class alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def held_out(label_N: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Whether each image is held out: of each class the last ones, `share` (0 to 1) of them, at least one and
    never all. A class of one image keeps it.
    """
    out_N = np.zeros(len(label_N), dtype=bool)
    for label in np.unique(label_N):
        places = np.flatnonzero(label_N == label)
        count = min(len(places) - 1, max(1, round(share * len(places))))
        out_N[places[len(places) - count :]] = True
    return out_N
