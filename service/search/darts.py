"""Networks of DARTS cells as a search space: the training networks of DeepNets-1M (GHN-2 paper, table 1)."""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random

from service.contract.fields import Document
from service.errors import InvalidArchitecture, LimitExceeded
from service.graph_io.cells.darts import read_darts

_TRIES = 200
_CELLS = (4, 18)
_CHANNELS = (16, 128)
_CHANNEL_STEP = 16
_CELL_NAMES = ("normal", "reduce")


class DartsSpace:
    """Depth, width, stem, head and both cells may change; up to 3.1 million parameters where drawn."""

    name: str = "darts"
    size: int | None = None

    def sample(self, random: Random) -> Document:
        from training.data.deepnets import architecture

        return architecture("train", random.getrandbits(32), 0)

    def mutate(self, document: Document, random: Random) -> Document:
        """One operation or input of a cell, or depth or width. A network that this makes impossible is not
        taken; where none is found, a new one is drawn.
        """
        for _ in range(_TRIES):
            changed = deepcopy(document)
            if random.random() < 0.25:
                _resize(changed, random)
            else:
                _rewire(changed, random)
            if changed != document and _is_network(changed):
                return changed
        return self.sample(random)

    def key(self, document: Document) -> str:
        return json.dumps(document, sort_keys=True)


def _rewire(document: Document, random: Random) -> None:
    from service.graph_io.cells.darts_document import OPERATIONS

    pairs = document["genotype"][random.choice(_CELL_NAMES)]
    place = random.randrange(len(pairs))
    operation, state = pairs[place]
    if random.random() < 0.5:
        operation = random.choice(OPERATIONS)
    else:
        state = random.randrange(2 + place // 2)
    pairs[place] = [operation, state]


def _resize(document: Document, random: Random) -> None:
    if random.random() < 0.5:
        document["cells"] = _within(document["cells"] + random.choice((-1, 1)), _CELLS)
    else:
        document["channels"] = _within(
            document["channels"] + random.choice((-_CHANNEL_STEP, _CHANNEL_STEP)), _CHANNELS
        )


def _within(value: int, bounds: tuple[int, int]) -> int:
    return min(max(value, bounds[0]), bounds[1])


def _is_network(document: Document) -> bool:
    try:
        read_darts(document)
    except (InvalidArchitecture, LimitExceeded):
        return False
    return True
