"""The networks that a GHN in training is measured on: they are never trained on."""

from __future__ import annotations

from service.graph_io.archgraph import ArchGraph
from training.evaluate.accuracy import validation_networks
from training.ghn.recipe import TrainConfig


def unseen_networks(config: TrainConfig, num_classes: int) -> list[ArchGraph]:
    """`validate_networks` of id-val, or of the space that the run trains on."""
    count, networks = config.validate_networks, config.networks
    if networks is None:
        return validation_networks(count, num_classes)
    bounds = config.stages[-1].bounds
    return [
        networks.graph("test", 0, index, num_classes=num_classes, bounds=bounds) for index in range(count)
    ]
