"""Search spaces: what can be drawn, and what is one step away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from service.contract.fields import Document
from service.errors import InvalidRequest

SPACES = ("nasbench201", "nasbench101", "nats_size", "nasbench_macro", "darts", "smash", "ghn1", "anytime")


class Space(Protocol):
    """name: the format of its documents. size: how many architectures it has, None where nobody counts."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int | None: ...

    def sample(self, random: Random) -> Document:
        """An architecture document, at random."""
        ...

    def mutate(self, document: Document, random: Random) -> Document:
        """Another architecture, one step away."""
        ...

    def key(self, document: Document) -> str:
        """Equal for two documents of one architecture, as far as the space can tell."""
        ...


@dataclass(frozen=True, slots=True)
class WithClasses:
    """A space whose networks tell so many classes apart."""

    space: Space
    classes: int

    @property
    def name(self) -> str:
        return self.space.name

    @property
    def size(self) -> int | None:
        return self.space.size

    def sample(self, random: Random) -> Document:
        return {**self.space.sample(random), "num_classes": self.classes}

    def mutate(self, document: Document, random: Random) -> Document:
        return {**self.space.mutate(document, random), "num_classes": self.classes}

    def key(self, document: Document) -> str:
        return self.space.key(document)


def find_space(name: str, *, smash_model: str | None = None) -> Space:
    """The space of that name. smash_model: whose networks `smash` is to draw, instead of the usual ones.

    Raises InvalidRequest, listing the spaces there are; UnknownModel.
    """
    if name == "smash" and smash_model is not None:
        from service.search.smash import SmashSpace

        return SmashSpace.of_model(smash_model)
    space = _spaces().get(name)
    if space is None:
        raise InvalidRequest(
            f"There is no search space {name[:80]!r}.", field="/space", hint=f"Spaces: {', '.join(SPACES)}."
        )
    return space()


def _spaces() -> dict[str, Callable[[], Space]]:
    from service.search.anytime import AnytimeSpace
    from service.search.choices import nasbench_macro_space, nats_size_space
    from service.search.darts import DartsSpace
    from service.search.ghn1 import GHN1Space
    from service.search.nasbench import NASBench101Space, NASBench201Space
    from service.search.smash import SmashSpace

    return {
        "nasbench201": NASBench201Space,
        "nasbench101": NASBench101Space,
        "nats_size": nats_size_space,
        "nasbench_macro": nasbench_macro_space,
        "darts": DartsSpace,
        "smash": SmashSpace,
        "ghn1": GHN1Space,
        "anytime": AnytimeSpace,
    }
