"""Networks that answer early (Zhang et al. 2019, sections 3.2 and 5.1, after Huang et al. 2018): nodes on
three scales, some of them with a classifier of their own.

    {"format": "anytime",
     "blocks": [[{"operation": "conv_3x3", "scale": 0, "inputs": [0]},
                 {"operation": "conv_3x3", "scale": 2, "inputs": [0, 1], "exit": true}],
                [{"operation": "conv_1x1", "scale": 1, "inputs": [0], "exit": true}]]}

A scale is how often the image was halved: 0, 1 or 2. Nodes of block 1 work on any, of block 2 on 1 and 2, of
block 3 on 2 alone. State 0 of a block is what the block before gave, all of its states that no node read; of
block 1 a 3x3 convolution of the image. Node i of a block makes state i + 1: what it reads is brought to its
scale, by a max pool or by repeating pixels, joined along the channels, and reduced by a 1x1 convolution to
the width of the scale, `channels` doubled with each halving. Its operation follows. Every convolution has a
batch norm and a ReLU behind it.

An exit is a global average pool and a linear layer. The network's outputs are its exits, in the order of
their nodes. A node that leads to no exit is not computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from service.graph_io.archgraph import ArchGraph
from service.graph_io.attributes import EXIT, RESOLUTION
from service.graph_io.cells.network import NetworkBuilder
from service.graph_io.document_model import MAX_IMAGE_SIZE, Name, NumClasses, document_model, read_model
from service.graph_io.fields import Place, read_integer
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits

_Word = Literal["conv_1x1", "conv_3x3", "conv_5x5", "max_pool_3x3", "avg_pool_3x3"]
OPERATIONS: tuple[str, ...] = get_args(_Word)
SCALES = 3
MAX_BLOCKS, MAX_NODES, MAX_CHANNELS = 3, 64, 1024


@document_model
class AnytimeNode:
    """An operation of the states that it reads, on one scale."""

    operation: Annotated[_Word, Field(title="operation")]
    scale: Annotated[int, Field(ge=0, le=SCALES - 1, description="How often the image was halved.")]
    inputs: Annotated[
        tuple[Annotated[int, Field(ge=0, le=MAX_NODES)], ...],
        Field(min_length=1, max_length=MAX_NODES, description="States; 0 is the block before."),
    ]
    exit: Annotated[bool, Field(description="Whether a classifier answers from here.")] = False


_Block = Annotated[tuple[AnytimeNode, ...], Field(min_length=1, max_length=MAX_NODES)]


@document_model
class AnytimeDocument:
    """A network with early exits on three scales."""

    format: Literal["anytime"] = "anytime"
    blocks: Annotated[tuple[_Block, ...], Field(min_length=1, max_length=MAX_BLOCKS)]
    channels: Annotated[int, Field(ge=1, le=MAX_CHANNELS, description="On the finest scale.")] = 16
    num_classes: NumClasses = 10
    image_size: Annotated[
        int, Field(ge=4, le=MAX_IMAGE_SIZE, description="Pixels a side, a multiple of 4.")
    ] = 32
    name: Name = ""


@dataclass(frozen=True, slots=True)
class _State:
    node: str
    channels: int
    scale: int


def read_anytime(document: Mapping[str, Any], *, limits: GraphLimits = DEFAULT_LIMITS) -> ArchGraph:
    """The network of a document as above. Raises InvalidArchitecture or LimitExceeded, naming the field."""
    network = read_model(AnytimeDocument, document)
    if network.image_size % 2 ** (SCALES - 1):
        raise (Place() / "image_size").refuse(
            f"/image_size is {network.image_size}; three scales need a multiple of {2 ** (SCALES - 1)}."
        )
    _check(network.blocks)
    return _Network(network, limits).graph()


def _check(blocks: tuple[_Block, ...]) -> None:
    """A node reads states that exist by then, each once, on a scale of its block; every block leads on."""
    root = Place() / "blocks"
    for number, block in enumerate(blocks):
        for index, node in enumerate(block):
            place = root / number / index
            read_integer(node.scale, place / "scale", least=number, most=SCALES - 1)
            for position, source in enumerate(node.inputs):
                read_integer(source, place / "inputs" / position, least=0, most=index)
            if len(set(node.inputs)) < len(node.inputs):
                raise (place / "inputs").refuse(f"{(place / 'inputs').named} names a state twice.")
        if not any(0 in node.inputs for node in block):
            raise (root / number).refuse(
                f"No node of {(root / number).named} reads state 0, what came before.",
                "Without that, everything before would be left out.",
            )
    if not any(node.exit for node in blocks[-1]):
        raise (root / (len(blocks) - 1)).refuse(
            f"{(root / (len(blocks) - 1)).named} has no exit, and nothing follows it.",
            'Give one of its nodes "exit": true.',
        )


def _leaves(block: _Block) -> list[int]:
    read = {source for node in block for source in node.inputs}
    return [state for state in range(1, len(block) + 1) if state not in read]


def _needed(blocks: tuple[_Block, ...]) -> list[set[int]]:
    """Of every block the states that lead to an exit; with 0 among them, those of the block before do."""
    needed: list[set[int]] = []
    read_on = False
    for block in reversed(blocks):
        states = set(_leaves(block)) if read_on else set()
        for index in range(len(block) - 1, -1, -1):
            if block[index].exit or index + 1 in states:
                states |= {index + 1, *block[index].inputs}
        read_on = 0 in states
        needed.append(states)
    return needed[::-1]


class _Network:
    def __init__(self, network: AnytimeDocument, limits: GraphLimits) -> None:
        self._document = network
        self._net = NetworkBuilder(network.image_size, limits)
        self._brought: dict[tuple[str, int], str] = {}
        self._exits: list[str] = []

    def graph(self) -> ArchGraph:
        net, document = self._net, self._document
        net.marks = {RESOLUTION: 0}
        stem = net.conv("stem.0", net.input(), (document.channels, 3, 3, 3))
        stem = net.relu("stem.2", net.batch_norm("stem.1", stem, document.channels))
        before = [_State(stem, document.channels, 0)]
        for number, (block, needed) in enumerate(zip(document.blocks, _needed(document.blocks), strict=True)):
            net.cell = number
            states = [before]
            for index, node in enumerate(block):
                made = index + 1 in needed
                states.append([self._node(f"blocks.{number}.{index}", node, states)] if made else [])
            before = [state for leaf in _leaves(block) for state in states[leaf]]
        net.cell, net.marks = None, {}
        return net.build(tuple(self._exits), document.name)

    def _node(self, name: str, node: AnytimeNode, states: list[list[_State]]) -> _State:
        net, width = self._net, self._document.channels * 2**node.scale
        net.marks = {RESOLUTION: node.scale, EXIT: node.exit}
        sources = [state for number in node.inputs for state in states[number]]
        parts = tuple(source.channels for source in sources)
        joined = net.concat(f"{name}.join", [self._bring(source, node.scale) for source in sources])
        state = net.conv(f"{name}.0", joined, (width, sum(parts), 1, 1), parts=parts)
        state = net.relu(f"{name}.2", net.batch_norm(f"{name}.1", state, width))
        if node.operation == "max_pool_3x3":
            state = net.max_pool(f"{name}.3", state, 3, stride=1, padding=1)
        elif node.operation == "avg_pool_3x3":
            state = net.avg_pool(f"{name}.3", state, 3, stride=1, padding=1, count_include_pad=False)
        else:
            size = int(node.operation[-1])
            state = net.conv(f"{name}.3", state, (width, width, size, size))
            state = net.relu(f"{name}.5", net.batch_norm(f"{name}.4", state, width))
        if node.exit:
            self._exits.append(net.classifier(f"{name}.exit", state, width, self._document.num_classes))
        return _State(state, width, node.scale)

    def _bring(self, source: _State, scale: int) -> str:
        """The state on another scale; once for all who read it there."""
        if source.scale == scale:
            return source.node
        key, name = (source.node, scale), f"{source.node}.at_{scale}"
        if key not in self._brought:
            marks = self._net.marks
            self._net.marks = {RESOLUTION: scale}
            factor = 2 ** abs(scale - source.scale)
            self._brought[key] = (
                self._net.max_pool(name, source.node, factor, stride=factor)
                if scale > source.scale
                else self._net.upsample(name, source.node, factor)
            )
            self._net.marks = marks
        return self._brought[key]
