"""The operations of a whole network as `walks.py` reads them."""

from __future__ import annotations

from service.graph_io.archgraph import ArchGraph, Node
from service.graph_io.operators import PRODUCTS
from service.predictors.features.structure import CONV1, CONV3, OUTPUT, POOL, SKIP, Operation

_POOLS = ("max_pool", "avg_pool")


def network_operations(graph: ArchGraph) -> tuple[Operation, ...]:
    """One operation a node, all of one width; the output last, reading whatever the network returns.

    A convolution that sees one position alone is a CONV1, and so is a linear layer; every other convolution
    is a CONV3, what is none of these and no pool a SKIP.
    """
    place = {node.name: index for index, node in enumerate(graph.nodes)}
    return (
        *(Operation(_kind(node), 1.0, tuple(place[name] for name in node.inputs)) for node in graph.nodes),
        Operation(OUTPUT, 1.0, tuple(place[name] for name in graph.outputs)),
    )


def dense_layers(graph: ArchGraph) -> int:
    """How many convolutions and linear layers mix all channels: grouped convolutions do not."""
    return sum(node.op in PRODUCTS and node.attrs.get("groups", 1) in (None, 1) for node in graph.nodes)


def _kind(node: Node) -> str:
    if node.op in _POOLS:
        return POOL
    if node.op not in PRODUCTS:
        return SKIP
    weight = next(parameter for parameter in node.params if parameter.role == "weight")
    return CONV3 if max(weight.canonical_shape[2:], default=1) > 1 else CONV1
