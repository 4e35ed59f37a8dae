"""A cell as a vector of numbers that a regressor can learn from with few examples.

Counts over the paths from input to output (how many convolutions, how many pools, paths that no pool
interrupts), extremes and means over them, what lies next to what, shares of channels, and the cost. The
vector has one fixed layout for every cell of every space; whatever is constant over a training set tells a
regressor nothing and is left to it to ignore.
"""

from __future__ import annotations

from collections import defaultdict
from math import log

import numpy as np

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


def cell_features(cell: CellStructure) -> list[float]:
    """The numbers of one cell, in the order of FEATURES. A cell without paths has zeros nearly everywhere."""
    numbers: defaultdict[str, float] = defaultdict(float)
    convs = [sum(kind in (CONV3, CONV1) for kind in path) for path in cell.paths]
    conv3 = [path.count(CONV3) for path in cell.paths]
    pools = [path.count(POOL) for path in cell.paths]
    clean = [index for index, count in enumerate(pools) if count == 0]
    for counts, what in ((conv3, "conv3"), (convs, "convs"), (pools, "pools")):
        for count in counts:
            numbers[f"paths_with_{min(count, MOST)}_{what}"] += 1
    for index in clean:
        numbers[f"paths_with_{min(convs[index], MOST)}_clean_convs"] += 1
    for path in cell.paths:
        real = [kind for kind in path if kind != SKIP] or ["-"]
        numbers[f"paths_from_{real[0]}"] += 1
        numbers[f"paths_to_{real[-1]}"] += 1

    numbers["connected"] = float(cell.is_connected)
    numbers["paths"], numbers["clean_paths"] = len(cell.paths), len(clean)
    numbers["identity_paths"] = sum(all(kind == SKIP for kind in path) for path in cell.paths)
    if cell.paths:
        numbers["most_conv3"], numbers["most_convs"], numbers["fewest_convs"] = (
            max(conv3),
            max(convs),
            min(convs),
        )
        numbers["most_clean_conv3"] = max((conv3[index] for index in clean), default=0)
        numbers["most_clean_convs"] = max((convs[index] for index in clean), default=0)
        numbers["mean_conv3"], numbers["mean_convs"] = float(np.mean(conv3)), float(np.mean(convs))
        numbers["share_with_pool"] = 1 - len(clean) / len(cell.paths)
        numbers["longest"], numbers["shortest"] = max(map(len, cell.paths)), min(map(len, cell.paths))
        # 3x3 operations in a row widen what an output position sees.
        numbers["widest_view"] = max(a + b for a, b in zip(conv3, pools, strict=True))
    for kind in KINDS:
        numbers[f"live_{kind}"] = cell.live.get(kind, 0)
        numbers[f"width_{kind}"] = cell.widths.get(kind, 0.0)
        numbers[f"final_width_{kind}"] = cell.final_widths.get(kind, 0.0)
    for before, after in _PAIRS:
        numbers[f"{before}_before_{after}"] = cell.neighbours.get((before, after), 0)
    numbers["cost"], numbers["log_cost"] = cell.cost, log(cell.cost + 0.1)
    numbers["joined"], numbers["shared"], numbers["direct"] = cell.joined, cell.shared, float(cell.direct)
    numbers["vertices"], numbers["edges"] = cell.vertices, cell.edges
    return [float(numbers[name]) for name in FEATURES]
