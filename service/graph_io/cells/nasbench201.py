"""NAS-Bench-201 (Dong and Yang 2020): a cell of six edges becomes the benchmark's full network.

    {"format": "nasbench201", "cell":
    "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"}

Optional: `channels` (16), `cells_per_stage` (5), `num_classes` (10), `image_size` (32), `name`.

A cell has four nodes; node 0 is its input, node 3 its output, and every node is the sum of operations on
earlier ones. The
network: a 3x3 convolution and batch norm, three stages of equal cells with 1, 2 and 4 times the channels, a
residual block of stride 2 between stages, batch norm, ReLU, global average pool, classifier. Parameter names
are those of the benchmark's own code (`cells.0.layers.3.op.1.weight`), so that a state dict of one fits the
other.

Operations that cannot matter are left out of the graph: what `none` cuts off from the cell's input or
output. The benchmark's network owns their parameters all the same, so they are answered
(`ArchGraph.unattached`). (A convolution cut off from the input still adds its batch norm's constant there;
that alone is not kept.) A cell whose output nothing reaches is no network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from service.errors import NotConnected
from service.graph_io.archgraph import ArchGraph
from service.graph_io.cells.network import NetworkBuilder
from service.graph_io.document_model import (
    MAX_IMAGE_SIZE,
    Name,
    NumClasses,
    document_model,
    read_model,
    reader_of,
)
from service.graph_io.fields import Place, closest, shown
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NUM_NODES = 4
KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
EXAMPLE = "|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
_EDGE = re.compile(r"([^|~+]*)~([0-9]{1,3})")

CellText = Annotated[
    str,
    Field(
        max_length=1024,
        description="The benchmark's text: for each node the operations that it sums, and what they read.",
        examples=[EXAMPLE],
    ),
]
_read_text = reader_of(CellText)


@document_model
class NASBench201Document:
    """A cell of NAS-Bench-201, in the benchmark's full network."""

    format: Literal["nasbench201"] = "nasbench201"
    cell: CellText
    channels: Annotated[int, Field(ge=1, le=4096, description="Of the stem and the first stage.")] = 16
    cells_per_stage: Annotated[int, Field(ge=1, le=200)] = 5
    num_classes: NumClasses = 10
    image_size: Annotated[int, Field(ge=4, le=MAX_IMAGE_SIZE, description="Pixels a side.")] = 32
    name: Name = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """An operation from one node of the cell to a later one."""

    source: int
    target: int
    operation: str


Cell = tuple[Edge, ...]


def parse_cell(text: Any, place: Place = Place() / "cell") -> Cell:
    """The six edges of a cell string, by target and, within a target, as written.

    Raises InvalidArchitecture saying what is wrong with the text, LimitExceeded for a long one.
    """
    groups = _read_text(text, place).strip().split("+")
    if len(groups) != NUM_NODES - 1:
        raise place.refuse(
            f"A cell has {NUM_NODES - 1} groups of operations joined by '+', this one {len(groups)}.",
            f"For example {EXAMPLE}",
        )
    edges: list[Edge] = []
    for target, group in enumerate(groups, start=1):
        group = group.strip()
        if not (len(group) > 1 and group[0] == group[-1] == "|"):
            raise place.refuse(
                f"Group {target} of the cell, {shown(group)}, is not between '|'.", f"For example {EXAMPLE}"
            )
        group_edges = [_parse_edge(part, target, place) for part in group[1:-1].split("|")]
        if sorted(edge.source for edge in group_edges) != list(range(target)):
            raise place.refuse(
                f"Group {target} of the cell reads nodes {[edge.source for edge in group_edges]}; "
                f"it must read each of {list(range(target))} once."
            )
        edges.extend(group_edges)
    return tuple(edges)


def _parse_edge(part: str, target: int, place: Place) -> Edge:
    match = _EDGE.fullmatch(part)
    if match is None:
        raise place.refuse(
            f"{shown(part)} in the cell is not an operation and a node, like 'skip_connect~0'."
        )
    operation, source = match.group(1), int(match.group(2))
    if operation not in OPERATIONS:
        like = closest(operation, OPERATIONS)
        suggestion = f"Did you mean {like!r}? " if like else ""
        raise place.refuse(
            f"There is no operation {shown(operation)} in NAS-Bench-201.",
            f"{suggestion}Known: {', '.join(OPERATIONS)}.",
        )
    return Edge(source, target, operation)


def cell_text(cell: Cell) -> str:
    """The string of a cell; the inverse of `parse_cell`."""
    groups = (
        "|".join(f"{edge.operation}~{edge.source}" for edge in cell if edge.target == target)
        for target in range(1, NUM_NODES)
    )
    return "+".join(f"|{group}|" for group in groups)


def live_edges(cell: Cell) -> frozenset[Edge]:
    """The edges on a path from the cell's input to its output. Empty if there is no path."""
    real = [edge for edge in cell if edge.operation != "none"]
    reached = {0}
    for edge in sorted(real, key=lambda edge: edge.target):
        if edge.source in reached:
            reached.add(edge.target)
    useful = {NUM_NODES - 1}
    for edge in sorted(real, key=lambda edge: -edge.target):
        if edge.target in useful:
            useful.add(edge.source)
    return frozenset(edge for edge in real if edge.source in reached and edge.target in useful)


def read_nasbench201(document: Mapping[str, Any], *, limits: GraphLimits = DEFAULT_LIMITS) -> ArchGraph:
    """The network of a document as above. Raises InvalidArchitecture or LimitExceeded, naming the field."""
    network = read_model(NASBench201Document, document)
    cell = parse_cell(network.cell)
    if not live_edges(cell):
        raise NotConnected(
            "No path leads from the cell's input to its output, so it is not a network.",
            field="/cell",
            hint="Replace 'none' on a path from node 0 to node 3.",
        )
    channels = network.channels
    net = NetworkBuilder(network.image_size, limits)
    state = net.batch_norm("stem.1", net.conv("stem.0", net.input(), (channels, 3, 3, 3)), channels)
    widths = [channels] * network.cells_per_stage
    for factor in (2, 4):
        widths += [factor * channels] * (network.cells_per_stage + 1)
    before = channels
    for index, width in enumerate(widths):
        net.cell = index
        if width != before:
            state = reduction(net, f"cells.{index}", state, before, width)
        else:
            state = add_cell(net, f"cells.{index}", state, cell, width, width)
        before = width
    net.cell = None
    state = net.relu("lastact.1", net.batch_norm("lastact.0", state, before))
    return net.build(net.classifier("classifier", state, before, network.num_classes), network.name)


def add_cell(net: NetworkBuilder, prefix: str, source: str, cell: Cell, before: int, channels: int) -> str:
    """A connected cell, reading `before` channels: what reads its input brings them to its own width."""
    live, states = live_edges(cell), {0: source}
    for target in range(1, NUM_NODES):
        terms: list[str] = []
        for index, edge in enumerate(cell):
            layer = f"{prefix}.layers.{index}"
            width = before if edge.source == 0 else channels
            if edge.target == target and edge in live:
                terms.append(_operation(net, layer, states[edge.source], edge.operation, width, channels))
            elif edge.target == target and edge.operation in KERNELS:
                kernel = KERNELS[edge.operation]
                net.unread_conv_norm(f"{layer}.op.1", (channels, width, kernel, kernel), f"{layer}.op.2")
        if terms:
            states[target] = net.add(f"{prefix}.node.{target}", terms)
    return states[NUM_NODES - 1]


def _operation(
    net: NetworkBuilder, name: str, source: str, operation: str, before: int, channels: int
) -> str:
    if operation in KERNELS:
        kernel = KERNELS[operation]
        return _relu_conv_norm(net, name, source, (channels, before, kernel, kernel))
    if before != channels:
        source = net.conv(f"{name}.conv", source, (channels, before, 1, 1))
        source = net.batch_norm(f"{name}.bn", source, channels)
    if operation == "skip_connect":
        return source
    return net.avg_pool(f"{name}.op", source, 3, stride=1, padding=1, count_include_pad=False)


def _relu_conv_norm(
    net: NetworkBuilder, name: str, source: str, shape: tuple[int, int, int, int], stride: int = 1
) -> str:
    active = net.relu(f"{name}.op.0", source)
    return net.batch_norm(f"{name}.op.2", net.conv(f"{name}.op.1", active, shape, stride=stride), shape[0])


def reduction(net: NetworkBuilder, prefix: str, source: str, before: int, after: int) -> str:
    """The residual block between stages: half the resolution, more channels."""
    inner = _relu_conv_norm(net, f"{prefix}.conv_a", source, (after, before, 3, 3), stride=2)
    inner = _relu_conv_norm(net, f"{prefix}.conv_b", inner, (after, after, 3, 3))
    pooled = net.avg_pool(f"{prefix}.downsample.0", source, 2, stride=2)
    shortcut = net.conv(f"{prefix}.downsample.1", pooled, (after, before, 1, 1))
    return net.add(f"{prefix}.sum", (shortcut, inner))
