"""Blocks of GHN-1 (Zhang et al. 2019, section 5.1) as a search space."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

from service.contract.fields import Document
from service.graph_io.cells.ghn1 import INPUTS, OPERATIONS

# Of a block, its two inputs among them.
STATES = 17
_MOST_SOURCES = 2


@dataclass(frozen=True, slots=True)
class GHN1Space:
    """Every operation of a node as likely as another; it reads one or two of the states before it. The paper
    does not say how many.

    states: of a block, with both inputs. channels, blocks, num_classes, image_size: of every network.
    """

    states: int = STATES
    channels: int = 32
    blocks: int = 18
    num_classes: int = 10
    image_size: int = 32
    name: str = "ghn1"
    size: int | None = None

    def sample(self, random: Random) -> Document:
        nodes = [
            [random.choice(OPERATIONS), _sources(random, INPUTS + node)]
            for node in range(self.states - INPUTS)
        ]
        return {
            "format": "ghn1",
            "operations": _chained(nodes),
            "channels": self.channels,
            "blocks": self.blocks,
            "num_classes": self.num_classes,
            "image_size": self.image_size,
        }

    def mutate(self, document: Document, random: Random) -> Document:
        """Another operation at one node, or other states that it reads."""
        while True:
            changed = deepcopy(document)
            node = random.randrange(len(changed["operations"]))
            operation, sources = changed["operations"][node]
            if random.random() < 0.5:
                operation = random.choice(OPERATIONS)
            else:
                sources = _sources(random, INPUTS + node)
            changed["operations"][node] = [operation, sources]
            changed["operations"] = _chained(changed["operations"])
            if changed != document:
                return changed

    def key(self, document: Document) -> str:
        return json.dumps(document, sort_keys=True)


def _sources(random: Random, states: int) -> list[int]:
    return sorted(random.sample(range(states), min(states, random.randint(1, _MOST_SOURCES))))


def _chained(nodes: list[list[Any]]) -> list[list[Any]]:
    """The block reads the block before it: where no node does, the first one does as well."""
    if not any(1 in sources for _, sources in nodes):
        nodes[0] = [nodes[0][0], [0, 1]]
    return nodes
