"""Networks with early exits (GHN-1 paper, section 5.1) as a search space."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

from service.contract.fields import Document
from service.graph_io.cells.anytime import OPERATIONS, SCALES

# Of the last block; the first has three times as many, the second twice.
NODES = 8
EXITS = 2  # a block
_MOST_SOURCES = 2


@dataclass(frozen=True, slots=True)
class AnytimeSpace:
    """Every operation and scale of a node as likely as another; it reads one or two of the states before it.
    A block has two exits, one of them at its last node. The paper fixes how many exits there are, and says
    neither how many nor how many states a node reads.

    nodes: of the last of three blocks, of which the first has three times as many and the second twice; with
    `random_sizes` at most so many, as the paper trains. channels, num_classes, image_size: of every network.
    """

    nodes: int = NODES
    random_sizes: bool = False
    channels: int = 16
    num_classes: int = 10
    image_size: int = 32
    name: str = "anytime"
    size: int | None = None

    def sample(self, random: Random) -> Document:
        most = [share * self.nodes for share in (3, 2, 1)]
        sizes = [random.randint(1, size) if self.random_sizes else size for size in most]
        blocks = []
        for number, size in enumerate(sizes):
            nodes = [_node(random, number, index) for index in range(size)]
            for index in {size - 1, *random.sample(range(size - 1), min(EXITS, size) - 1)}:
                nodes[index]["exit"] = True
            blocks.append(_chained(nodes))
        return {
            "format": "anytime",
            "blocks": blocks,
            "channels": self.channels,
            "num_classes": self.num_classes,
            "image_size": self.image_size,
        }

    def mutate(self, document: Document, random: Random) -> Document:
        """Another operation, scale or other states at one node. Exits stay where they are."""
        while True:
            changed = deepcopy(document)
            number = random.randrange(len(changed["blocks"]))
            index = random.randrange(len(changed["blocks"][number]))
            node = changed["blocks"][number][index]
            field = random.choice(("operation", "scale", "inputs"))
            node[field] = _node(random, number, index)[field]
            changed["blocks"][number] = _chained(changed["blocks"][number])
            if changed != document:
                return changed

    def key(self, document: Document) -> str:
        return json.dumps(document, sort_keys=True)


def _node(random: Random, block: int, index: int) -> dict[str, Any]:
    sources = random.sample(range(index + 1), min(index + 1, random.randint(1, _MOST_SOURCES)))
    return {
        "operation": random.choice(OPERATIONS),
        "scale": random.randint(block, SCALES - 1),
        "inputs": sorted(sources),
    }


def _chained(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The block reads the block before it: where no node does, the first one does (it reads nothing else)."""
    if not any(0 in node["inputs"] for node in nodes):
        nodes[0]["inputs"] = [0]
    return nodes
