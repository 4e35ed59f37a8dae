"""Spaces whose architectures are a row of choices: a width for each stage, a block for each layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from service.contract.fields import Document
from service.graph_io.cells import nasbench_macro, nats_size
from service.graph_io.printed import plain_document


@dataclass(frozen=True, slots=True)
class ChoiceSpace:
    """field: of the document, where the choices stand. places: how many there are. written: the field's value
    from its choices.
    """

    name: str
    field: str
    choices: Sequence[Any]
    places: int
    written: Callable[[Sequence[Any]], Any]

    @property
    def size(self) -> int:
        return int(len(self.choices) ** self.places)

    def sample(self, random: Random) -> Document:
        return self._document([random.choice(self.choices) for _ in range(self.places)])

    def mutate(self, document: Document, random: Random) -> Document:
        """Another choice at one place."""
        chosen = list(plain_document(document)[self.field])
        place = random.randrange(self.places)
        chosen[place] = random.choice([choice for choice in self.choices if choice != chosen[place]])
        return self._document(chosen)

    def key(self, document: Document) -> str:
        return ":".join(map(str, plain_document(document)[self.field]))

    def _document(self, chosen: Sequence[Any]) -> Document:
        return {"format": self.name, self.field: self.written(chosen)}


def nats_size_space() -> ChoiceSpace:
    """All 32,768 settings of five widths."""
    return ChoiceSpace("nats_size", "sizes", nats_size.WIDTHS, nats_size.STAGES, list)


def nasbench_macro_space() -> ChoiceSpace:
    """All 6,561 codes."""
    return ChoiceSpace("nasbench_macro", "code", nasbench_macro.BLOCKS, len(nasbench_macro.CHANNELS), "".join)
