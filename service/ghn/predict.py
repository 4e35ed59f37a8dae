"""From an architecture to the blocks of its parameters, every one of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.errors import InvalidArchitecture, ServiceError
from service.ghn.batch import GraphBatch
from service.ghn.defaults import default_block
from service.ghn.model import GHN
from service.graph_io.archgraph import ArchGraph, Parameter
from service.graph_io.primitives import PrimitiveGraph, to_primitives
from service.stages import stage
from service.weights.blocks import Block, Provenance, WeightBlocks


@torch.inference_mode()
def predict_blocks(
    ghn: GHN, graph: ArchGraph, *, include_classifier: bool = True, model: str = "", model_digest: str = ""
) -> WeightBlocks:
    """Predict every trainable parameter of one network.

    include_classifier: False gives the last weight and bias their standard initialisation (for fine-tuning
    on other classes).

    Raises InvalidArchitecture if all parameters of the network are kept as they are, and ServiceError if a
    predicted value is not finite.
    """
    with stage("encode"):
        primitives = to_primitives(graph)
        _check_trainable(graph, primitives)
        batch = GraphBatch.from_graphs([primitives], ghn.config)
    with stage("gnn"):
        states = ghn.embed(batch)
    with stage("decode"):
        groups = list(ghn.decode(states, batch, include_classifier=include_classifier))
        predicted = {
            target.parameter.name: _block(target.parameter, values, group.scale)
            for group, stacked in zip(groups, on_host([group.values for group in groups]), strict=True)
            for (_, target), values in zip(group.members, stacked, strict=True)
        }
        blocks = {}
        for target in primitives.targets:
            name = target.parameter.name
            blocks[name] = predicted[name] if name in predicted else default_block(target)
        _check_finite(blocks)
    return WeightBlocks(blocks=blocks, model=model, model_digest=model_digest)


@torch.inference_mode()
def node_states(ghn: GHN, graph: PrimitiveGraph) -> NDArray[np.float32]:
    """Final states of a graph's nodes, (nodes, hidden), in the graph's node order.

    A graph is never batched with others: that would take longer on a CPU, and the last digits would depend on
    them.
    """
    batch = GraphBatch.from_graphs([graph], ghn.config)
    states: NDArray[np.float32] = ghn.embed(batch).numpy()
    return states[batch.rows[0]]


def embedding(ghn: GHN, graph: PrimitiveGraph) -> NDArray[np.float64]:
    """A network as one vector, (hidden,): the mean of its node states (GHN-2 paper, section 5.2)."""
    mean: NDArray[np.float64] = node_states(ghn, graph).mean(axis=0, dtype=np.float64)
    return mean


def on_host(tensors: Sequence[Tensor]) -> list[NDArray[np.float32]]:
    """The tensors as contiguous arrays.

    From a GPU they come as one: a copy waits for the device, and hundreds would wait hundreds of times.
    """
    if all(tensor.device.type == "cpu" for tensor in tensors):
        return [np.ascontiguousarray(tensor.numpy(), dtype=np.float32) for tensor in tensors]
    flat = torch.cat([tensor.flatten() for tensor in tensors]).float().cpu().numpy()
    stops = np.cumsum([tensor.numel() for tensor in tensors])
    return [
        part.reshape(tensor.shape) for part, tensor in zip(np.split(flat, stops[:-1]), tensors, strict=True)
    ]


def _block(parameter: Parameter, values: NDArray[np.float32], scale: float) -> Block:
    shape = parameter.canonical_shape
    provenance = Provenance.PREDICTED if values.shape == shape else Provenance.TILED
    return Block(values, shape, scale, parameter.axes, provenance)


def _check_trainable(graph: ArchGraph, primitives: PrimitiveGraph) -> None:
    kept = next(graph.all_parameters(), None)
    if kept is not None and not primitives.targets:
        raise InvalidArchitecture(
            "No parameter of the network is trainable: all are kept as they are.",
            node=kept.name,
            hint="Call requires_grad_(True) on what shall be predicted.",
        )


def _check_finite(blocks: dict[str, Block]) -> None:
    for name, block in blocks.items():
        if not np.isfinite(block.values).all():
            raise ServiceError(f"The predicted values of {name!r} are not finite; the checkpoint is damaged.")
