"""Ways to walk through a space: asked for an architecture, told what became of it.

Fitness is a tuple, one number an objective, more is better. With one objective the best parent is the one of
the highest fitness; with two, any that no other surpasses in both.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Literal, Protocol

from service.contract.fields import Document
from service.search.pareto import front
from service.search.space import Space

Fitness = tuple[float, ...]
Algorithm = Literal["random", "evolution"]

POPULATION, SAMPLE = 50, 10


class Strategy(Protocol):
    """batch: how many architectures are usefully asked for before the first of them is told."""

    batch: int

    def ask(self) -> Document:
        """The architecture to look at next. It may have been asked before."""
        ...

    def tell(self, document: Document, fitness: Fitness) -> None: ...


class RandomSearch:
    batch: int = 50

    def __init__(self, space: Space, random: Random) -> None:
        self._space, self._random = space, random

    def ask(self) -> Document:
        return self._space.sample(self._random)

    def tell(self, document: Document, fitness: Fitness) -> None:
        """Nothing that was seen changes what is drawn."""


class RegularizedEvolution:
    """Ageing evolution (Real et al. 2019, algorithm 1): the best of a random sample of the population is
    mutated, the child joins, the oldest dies.

    population: how many live. sample: how many compete to be the parent.
    """

    batch: int = 10

    def __init__(
        self, space: Space, random: Random, *, population: int = POPULATION, sample: int = SAMPLE
    ) -> None:
        self._space, self._random = space, random
        self._sample = min(sample, population)
        self._living: deque[tuple[Document, Fitness]] = deque(maxlen=population)

    def ask(self) -> Document:
        if len(self._living) < (self._living.maxlen or 0):
            return self._space.sample(self._random)
        competing = self._random.sample(list(self._living), self._sample)
        best = front([fitness for _, fitness in competing])
        return self._space.mutate(competing[self._random.choice(best)][0], self._random)

    def tell(self, document: Document, fitness: Fitness) -> None:
        self._living.append((document, fitness))


def make_strategy(
    algorithm: Algorithm, space: Space, random: Random, *, population: int, sample: int
) -> Strategy:
    if algorithm == "random":
        return RandomSearch(space, random)
    return RegularizedEvolution(space, random, population=population, sample=sample)
