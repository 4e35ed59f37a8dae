"""The number of a cell in NAS-Bench-201's own list, which its tables call `arch_index`.

The benchmark writes down all cells, operations in the order of its list, and shuffles them once with a fixed
seed (AutoDL-Projects, exps/NAS-Bench-201/main.py). NATS-Bench's topology space has the same numbers.
"""

from __future__ import annotations

import random
from functools import lru_cache
from itertools import product

from service.graph_io.cells.nasbench201 import NUM_NODES, OPERATIONS, Edge, cell_text

NUM_CELLS = 15_625
# The benchmark's.
_SEED = 88


def cell_of_index(index: int) -> str:
    """The text of the cell with this number, 0 to NUM_CELLS - 1."""
    edges = [(source, target) for target in range(1, NUM_NODES) for source in range(target)]
    drawn = _order()[index]
    return cell_text(tuple(Edge(*edge, operation) for edge, operation in zip(edges, drawn, strict=True)))


@lru_cache(maxsize=1)
def _order() -> tuple[tuple[str, ...], ...]:
    cells = list(product(OPERATIONS, repeat=NUM_NODES * (NUM_NODES - 1) // 2))
    random.Random(_SEED).shuffle(cells)
    return tuple(cells)
