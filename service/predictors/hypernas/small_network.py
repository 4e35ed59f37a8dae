"""The small network whose weights are generated: the architecture's own, with few channels and cells.

It is the benchmark's network as `graph_io` builds it, so nothing about it is written down twice; here stands
only which node of which cell each of its convolutions belongs to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from service.graph_io.archgraph import ArchGraph, Node
from service.graph_io.cells import nasbench101, nasbench201
from service.kit.json_types import JsonObject
from service.predictors.hypernas.config import HyperNASConfig

_EDGE_201 = re.compile(r"cells\.(\d+)\.layers\.(\d+)\.")
_REDUCTION_201 = re.compile(r"cells\.(\d+)\.(conv_a|conv_b|downsample)\.")
_VERTEX_101 = re.compile(r"layers\.\d+\.(?:vertex_op|input_op)\.(\d+)\.")
# Nodes of cell_graph.REDUCTIONS["nasbench201"].
_REDUCTION_NODES = {"conv_a": 1, "conv_b": 2, "downsample": 4}


@dataclass(frozen=True, slots=True)
class GeneratedWeight:
    """name: of the parameter. shape: (out, in, kernel, kernel). place: of its cell in the network's sequence.
    node: in that cell's graph; its feature is what the weight is generated from.
    """

    name: str
    shape: tuple[int, int, int, int]
    place: int
    node: int


@dataclass(frozen=True, slots=True)
class SmallNetwork:
    """generated: weights of the convolutions inside cells. stem, classifier: names of the parameters that all
    architectures share (weight; weight and bias).
    """

    graph: ArchGraph
    generated: tuple[GeneratedWeight, ...]
    stem: str
    classifier: tuple[str, str]


def network_document(document: JsonObject, config: HyperNASConfig) -> JsonObject:
    """A cell's document with the sizes that weights are generated for."""
    if config.space == "nasbench201":
        sizes = {"cells_per_stage": config.cells_per_stage}
    else:
        sizes = {"stacks": config.stages, "modules": config.cells_per_stage}
    return {**document, "channels": config.channels, "num_classes": config.num_classes, **sizes}


def small_network(document: JsonObject, config: HyperNASConfig, image_size: int) -> SmallNetwork:
    """Raises InvalidArchitecture for a cell that is no network."""
    sized = {**network_document(document, config), "image_size": image_size}
    if config.space == "nasbench201":
        if config.stages != 3:
            raise ValueError("the networks of NAS-Bench-201 have three stages")
        graph = nasbench201.read_nasbench201(sized)
        node_of_edge = _nodes_of_edges(nasbench201.parse_cell(document["cell"]))
    else:
        graph = nasbench101.read_nasbench101(sized)
        node_of_edge = {}
    generated: list[GeneratedWeight] = []
    stem, classifier = "", ("", "")
    for node in graph.nodes:
        if node.op == "linear":
            weight, bias = (parameter.name for parameter in node.params)
            classifier = (weight, bias)
        elif node.op == "conv" and node.cell is None:
            stem = node.params[0].name
        elif node.op == "conv":
            generated.append(_generated(node, config, node_of_edge))
    return SmallNetwork(graph, tuple(generated), stem, classifier)


def _nodes_of_edges(cell: nasbench201.Cell) -> dict[int, int]:
    """From the number of an edge, as written, to its node in the pruned graph of the cell."""
    live = nasbench201.live_edges(cell)
    kept = [number for number, edge in enumerate(cell) if edge in live]
    kept.sort(key=lambda number: (cell[number].target, cell[number].source))
    return {number: node for node, number in enumerate(kept, start=1)}


def _generated(node: Node, config: HyperNASConfig, node_of_edge: dict[int, int]) -> GeneratedWeight:
    parameter = node.params[0]
    out, into, height, width = parameter.shape
    shape = (out, into, height, width)
    if config.space == "nasbench101":
        assert node.cell is not None
        match = _VERTEX_101.match(parameter.name)
        # The pools between the stacks count as cells of the sequence, but not of the graph.
        place = node.cell + node.cell // config.cells_per_stage
        if match is not None:
            return GeneratedWeight(parameter.name, shape, place, int(match.group(1)))
    elif (match := _EDGE_201.match(parameter.name)) is not None:
        edge = int(match.group(2))
        return GeneratedWeight(parameter.name, shape, int(match.group(1)), node_of_edge[edge])
    elif (match := _REDUCTION_201.match(parameter.name)) is not None:
        return GeneratedWeight(parameter.name, shape, int(match.group(1)), _REDUCTION_NODES[match.group(2)])
    raise ValueError(f"{parameter.name!r} belongs to no node of a cell")
