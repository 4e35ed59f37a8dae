"""Search spaces: what can be drawn, and what is one step away."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from service.contract.fields import Document
from service.contract.search import SPACES
from service.errors import InvalidRequest
from service.kit.references import resolve


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


def find_space(name: str, *, model: str | None = None) -> Space:
    """The space of that name. model: whose networks are drawn instead of the usual ones, where models of a
    kind have a space of their own.

    Raises InvalidRequest, listing the spaces there are; UnknownModel.
    """
    if name not in SPACES:
        raise InvalidRequest(
            f"There is no search space {name[:80]!r}.", field="/space", hint=f"Spaces: {', '.join(SPACES)}."
        )
    factory: Any = resolve(SPACES[name].factory)
    space: Space = factory() if model is None else factory.of_model(model)
    return space
