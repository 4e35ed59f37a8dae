"""Random networks of a search space, for a GHN that is to know that space (GHN-1 paper, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal

from service.errors import InvalidArchitecture, InvalidRequest
from service.executor.cost import network_cost
from service.graph_io.archgraph import ArchGraph
from service.graph_io.read import read_document
from service.search.anytime import AnytimeSpace
from service.search.ghn1 import GHN1Space
from service.search.space import Space, find_space
from training.data.deepnets import Bounds

_TRIES = 500
# Sizes of what is drawn; other fields are those of documents.
_OF_SPACES = ("states", "nodes")
Part = Literal["train", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceNetworks:
    """space: its name. fields: of every document, instead of what the space says, such as `channels`; of
    `ghn1` also `states`, how many a block has, of `anytime` also `nodes`, how many its last block has."""

    space: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def document(
        self, random: Random, *, num_classes: int, image_size: int, part: Part = "test"
    ) -> dict[str, Any]:
        """One at random. Raises InvalidRequest for an unknown space."""
        fields = {name: value for name, value in self.fields.items() if name not in _OF_SPACES}
        fields["num_classes"] = num_classes
        if self.space != "darts":  # whose attention is made for images of one size
            fields["image_size"] = image_size
        return {**self._space(part).sample(random), **fields}

    def graph(self, part: Part, seed: int, index: int, *, num_classes: int, bounds: Bounds) -> ArchGraph:
        """Number `index` of a part, the same on every machine; no part has a draw of the other.

        Raises InvalidRequest where the space has nothing within the bounds.
        """
        random = Random(f"weightcast/{self.space}/{part}/{seed}/{index}")
        for _ in range(_TRIES):
            document = self.document(random, num_classes=num_classes, image_size=bounds.image_size, part=part)
            try:
                graph = read_document(document)
            except InvalidArchitecture:
                continue  # a cell whose output nothing reaches
            if bounds.cost is None or network_cost(graph, bounds.image_size) <= bounds.cost:
                return graph
        raise InvalidRequest(
            f"{_TRIES} networks of {self.space} were drawn, and none is within the bounds.",
            field="/stages",
            hint="Raise `cost`, or give `network` smaller fields, such as `channels`.",
        )

    def _space(self, part: Part) -> Space:
        space = find_space(self.space)
        own = {name: value for name, value in self.fields.items() if name in _OF_SPACES}
        if isinstance(space, GHN1Space) and set(own) <= {"states"}:
            return replace(space, **own)
        if isinstance(space, AnytimeSpace) and set(own) <= {"nodes"}:
            return replace(space, **own, random_sizes=part == "train")
        if own:
            raise InvalidRequest(
                f"The space {self.space!r} has no {' and no '.join(sorted(own))}.",
                field="/network",
                hint="`states` is a field of `ghn1`, `nodes` of `anytime`.",
            )
        return space
