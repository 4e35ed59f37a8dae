"""Weights of a network that was found, by the hypernetwork (HyperNAS paper, third output)."""

from __future__ import annotations

from typing import Any

import torch

from service.errors import InvalidInput
from service.ghn.defaults import default_block
from service.graph_io.primitives import to_primitives
from service.kit.json_types import JsonObject
from service.models.catalog import ModelCard
from service.predictors.hypernas.batch import make_batch
from service.predictors.hypernas.cell_graph import read_cell
from service.predictors.hypernas.checkpoint import load_checkpoint
from service.predictors.hypernas.model import HyperNAS
from service.predictors.hypernas.small_network import network_document, small_network
from service.weights.blocks import Block, Provenance, WeightBlocks

# Weights do not depend on it: the networks pool before they classify.
IMAGE_SIZE = 32


def check_generates(card: ModelCard) -> None:
    """Raises InvalidInput for a model that generates no weights."""
    if card.kind != "hypernas":
        raise InvalidInput(
            f"{card.name!r} is a {card.kind}, which generates no weights of what a search finds.",
            hint="Name a HyperNAS model.",
            model=card.name,
        )
    _generating(card)


def _generating(card: ModelCard) -> HyperNAS:
    hypernas = load_checkpoint(card.path).hypernas
    if hypernas.hypernetwork is None:
        raise InvalidInput(
            f"{card.name!r} was trained to predict accuracy alone: it generates no weights.",
            hint="Train it with `tasks` both.",
            model=card.name,
        )
    return hypernas


@torch.inference_mode()
def generate_weights(card: ModelCard, document: Any) -> tuple[JsonObject, WeightBlocks]:
    """The document of a cell's network at the size that the hypernetwork generates for, and every parameter
    of it. Batch norms keep their standard start: nothing generates them.

    Raises InvalidInput for a model without a hypernetwork, InvalidArchitecture for a cell of another space or
    one that is no network.
    """
    hypernas = _generating(card)
    config = hypernas.config
    cell = read_cell(document, config.space, prune=True)
    whole = network_document(document, config)
    network = small_network(document, config, IMAGE_SIZE)
    (generated,) = hypernas.weights(make_batch([cell], config.space), [network])
    blocks = {}
    for target in to_primitives(network.graph).targets:
        name = target.parameter.name
        if name not in generated:
            blocks[name] = default_block(target)
            continue
        values = generated[name].contiguous().numpy().reshape(target.parameter.canonical_shape)
        blocks[name] = Block(
            values, target.parameter.canonical_shape, 1.0, target.parameter.axes, Provenance.PREDICTED
        )
    return whole, WeightBlocks(blocks=blocks, model=card.name, model_digest=card.digest)
