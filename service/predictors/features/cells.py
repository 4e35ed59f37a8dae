"""A cell as a vector of numbers that a regressor can learn from with few examples.

Counts over the paths from input to output (how many convolutions, how many pools, paths that no pool
interrupts), extremes and means over them, what lies next to what, shares of channels, and the cost. The
vector has one fixed layout for every cell of every space; whatever is constant over a training set tells a
regressor nothing and is left to it to ignore.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from service.predictors.features.structure import (
    CONV1,
    CONV3,
    INPUT,
    KINDS,
    OUTPUT,
    POOL,
    SKIP,
    CellStructure,
)

# Counts above this are counted as this: no cell of the known spaces has more on one path.
MOST = 6

_BY_COUNT = ("conv3", "convs", "pools", "clean_convs")
_ENDS = (*KINDS[:-1], "-")
_PAIRS = tuple(
    (before, after) for before in (INPUT, CONV3, CONV1, POOL) for after in (CONV3, CONV1, POOL, OUTPUT)
)
_EXTREMES = (
    "most_conv3",
    "most_convs",
    "most_clean_conv3",
    "most_clean_convs",
    "fewest_convs",
    "mean_conv3",
    "mean_convs",
    "share_with_pool",
    "longest",
    "shortest",
    "widest_view",
)

FEATURES: tuple[str, ...] = (
    "connected",
    "paths",
    "clean_paths",
    "identity_paths",
    *(f"paths_with_{count}_{what}" for what in _BY_COUNT for count in range(MOST + 1)),
    *(f"paths_{end}_{kind}" for end in ("from", "to") for kind in _ENDS),
    *_EXTREMES,
    *(f"live_{kind}" for kind in KINDS),
    *(f"{before}_before_{after}" for before, after in _PAIRS),
    *(f"width_{kind}" for kind in KINDS[:-1]),
    *(f"final_width_{kind}" for kind in KINDS[:-1]),
    "cost",
    "log_cost",
    "joined",
    "shared",
    "direct",
    "vertices",
    "edges",
)


def feature_matrix(structures: Sequence[CellStructure]) -> NDArray[np.float64]:
    """One row a cell, one column a name of FEATURES."""
    return np.array([cell_features(structure) for structure in structures], dtype=np.float64).reshape(
        -1, len(FEATURES)
    )


def cell_features(cell: CellStructure) -> list[float]:
    """The numbers of one cell, in the order of FEATURES. A cell without paths has zeros nearly everywhere."""
    found: defaultdict[str, float] = defaultdict(float)
    convs = [sum(kind in (CONV3, CONV1) for kind in path) for path in cell.paths]
    conv3 = [path.count(CONV3) for path in cell.paths]
    pools = [path.count(POOL) for path in cell.paths]
    clean = [index for index, count in enumerate(pools) if count == 0]
    for counts, what in ((conv3, "conv3"), (convs, "convs"), (pools, "pools")):
        for count in counts:
            found[f"paths_with_{min(count, MOST)}_{what}"] += 1
    for index in clean:
        found[f"paths_with_{min(convs[index], MOST)}_clean_convs"] += 1
    for path in cell.paths:
        real = [kind for kind in path if kind != SKIP] or ["-"]
        found[f"paths_from_{real[0]}"] += 1
        found[f"paths_to_{real[-1]}"] += 1

    found["connected"] = float(cell.is_connected)
    found["paths"], found["clean_paths"] = len(cell.paths), len(clean)
    found["identity_paths"] = sum(all(kind == SKIP for kind in path) for path in cell.paths)
    if cell.paths:
        found["most_conv3"], found["most_convs"], found["fewest_convs"] = max(conv3), max(convs), min(convs)
        found["most_clean_conv3"] = max((conv3[index] for index in clean), default=0)
        found["most_clean_convs"] = max((convs[index] for index in clean), default=0)
        found["mean_conv3"], found["mean_convs"] = float(np.mean(conv3)), float(np.mean(convs))
        found["share_with_pool"] = 1 - len(clean) / len(cell.paths)
        found["longest"], found["shortest"] = max(map(len, cell.paths)), min(map(len, cell.paths))
        # 3x3 operations in a row widen what an output position sees.
        found["widest_view"] = max(a + b for a, b in zip(conv3, pools, strict=True))
    for kind in KINDS:
        found[f"live_{kind}"] = cell.live.get(kind, 0)
        found[f"width_{kind}"] = cell.widths.get(kind, 0.0)
        found[f"final_width_{kind}"] = cell.final_widths.get(kind, 0.0)
    for before, after in _PAIRS:
        found[f"{before}_before_{after}"] = cell.neighbours.get((before, after), 0)
    found["cost"], found["log_cost"] = cell.cost, log(cell.cost + 0.1)
    found["joined"], found["shared"], found["direct"] = cell.joined, cell.shared, float(cell.direct)
    found["vertices"], found["edges"] = cell.vertices, cell.edges
    return [float(found[name]) for name in FEATURES]
