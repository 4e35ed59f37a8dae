"""The images that a network takes, by the shape that it was described for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from service.errors import InvalidRequest
from service.executor.networks import Network
from service.graph_io.archgraph import ArchGraph
from training.data.dataset import Dataset


def image_channels(graph: ArchGraph) -> Literal[1, 3]:
    """1 for a network of grey images, 3 for others, also where it does not say. Raises InvalidRequest for any
    other number.
    """
    known = _described(graph)
    if known is None or known[0] <= 0 or known[0] == 3:
        return 3
    if known[0] == 1:
        return 1
    raise InvalidRequest(
        f"The network takes inputs of {_shown(graph)}; images have three channels, or one in grey.",
        field="/architecture",
        hint="Describe it for inputs of 3 x height x width, or 1 x height x width.",
    )


def image_sides(graph: ArchGraph) -> tuple[int, int] | None:
    """Height and width of the images that the network was described for, None where it does not say."""
    known = _described(graph)
    return known[1:] if known is not None and min(known[1:]) > 0 else None


@torch.no_grad()
def check_fits(network: Network, params: Mapping[str, Tensor], dataset: Dataset) -> None:
    """Raises InvalidRequest where the network does not take these images or has other classes."""
    images = dataset.normalise(dataset.train.images_NCHW[:2])
    shape, classes = " x ".join(map(str, images.shape[1:])), len(dataset.classes)
    try:
        logits = network(images, params)
    except RuntimeError as error:
        raise InvalidRequest(
            f"The network does not take images of {shape}; it was described for {_shown(network.graph)} "
            f"({str(error).splitlines()[0]}).",
            field="/image_size",
            hint="Leave image_size out, or choose the one that the network was made for.",
        ) from None
    if tuple(logits.shape) != (len(images), classes):
        answer = " x ".join(map(str, logits.shape[1:])) or "1"
        outputs, binary = "outputs", ""
        if answer == "1":
            outputs, binary = "output", " One output with a threshold is not trained here: use two."
        raise InvalidRequest(
            f"The network has {answer} {outputs}, and {dataset.name!r} has {classes} classes.",
            field="/architecture",
            hint=f"Give it {classes} outputs, for example with num_classes where the format has it "
            f"(on the command line, --num-classes {classes}).{binary}",
        )


def _described(graph: ArchGraph) -> tuple[int, int, int] | None:
    """Channels, height and width; 0 or less where unknown."""
    if len(graph.input_shape) != 3:
        return None
    channels, height, width = graph.input_shape
    return channels, height, width


def _shown(graph: ArchGraph) -> str:
    return " x ".join("any" if side <= 0 else str(side) for side in graph.input_shape) or "an unknown shape"
