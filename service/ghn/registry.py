"""Models by name, ready to predict. Names and cards come from the catalogue, which needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import UnknownModel
from service.ghn.checkpoint import copy_to_cpu, load_checkpoint
from service.ghn.device import find_device
from service.ghn.model import GHN
from service.ghn.predict import embedding, predict_blocks
from service.graph_io.archgraph import ArchGraph
from service.graph_io.notes import notes_on
from service.graph_io.primitives import to_primitives
from service.models.catalog import ModelCard, find_card
from service.weights.blocks import Provenance, WeightBlocks


@dataclass(frozen=True)
class LoadedModel:
    """A GHN that decodes weights on `ghn.device`. Embeddings come from the CPU, the same everywhere."""

    card: ModelCard
    ghn: GHN

    def predict(self, graph: ArchGraph, *, include_classifier: bool = True) -> WeightBlocks:
        """Blocks of every trainable parameter of the network (`predict.predict_blocks`)."""
        return predict_blocks(
            self.ghn,
            graph,
            include_classifier=include_classifier,
            model=self.card.name,
            model_digest=self.card.digest,
        )

    def notes(self, graph: ArchGraph, weights: WeightBlocks, *, from_onnx: bool) -> list[str]:
        """What the user should know about the weights that this model predicted for this network."""
        classifiers = [
            parameter.canonical_shape[0]
            for parameter in to_primitives(graph).classifiers
            if weights.blocks[parameter.name].provenance is not Provenance.DEFAULTED
        ]
        return notes_on(
            graph, from_onnx=from_onnx, classifiers=classifiers, classes=self.ghn.config.class_counts
        )

    def embed(self, graphs: Sequence[ArchGraph]) -> NDArray[np.float32]:
        """One embedding a network (`predict.embedding`), (networks, hidden), whatever the others are."""
        rows = [embedding(self.ghn, to_primitives(graph)) for graph in graphs]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.ghn.config.hidden)

    def on_cpu(self) -> LoadedModel:
        """The same model, all of it on the CPU; this one stays as it is."""
        return LoadedModel(self.card, copy_to_cpu(self.ghn))


def load_model(name: str, device: str = "cpu") -> LoadedModel:
    """Load a GHN by its catalogue name. device: where it decodes weights (`device.find_device`).

    Raises UnknownModel, naming the models there are; Unavailable for a device that is not there.
    """
    card = find_card(name)
    if card.kind != "ghn":
        raise UnknownModel(f"{name!r} is a {card.kind}, not a GHN: it cannot predict weights.", model=name)
    return LoadedModel(card, load_checkpoint(card.path).decode_on(find_device(device)))
