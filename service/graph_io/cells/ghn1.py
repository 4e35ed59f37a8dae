"""The block space of GHN-1 (Zhang et al. 2019, section 5.1): one block, repeated.

    {"format": "ghn1", "operations": [["sep_conv_3x3", [0, 1]], ["max_pool_3x3", [2]]]}

States 0 and 1 are the block's inputs, the outputs of the last two blocks, each brought to the block's width
by a 1x1 convolution. Node i makes state i + 2: its operation of the sum of the states that it names. The
block's output are the channels of all states that no node reads. A block of the paper has 17 states.

The network: a 3x3 convolution, the blocks, global average pool, classifier. After a third and two thirds of
the blocks the resolution is halved and the width doubled, as after 6 and 12 of the paper's 18.

Equation 1 of the paper applies an operation to each input and sums what comes out; here it is applied once,
to the sum. For convolutions alone both are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from service.graph_io.archgraph import ArchGraph
from service.graph_io.cells.network import NetworkBuilder
from service.graph_io.document_model import MAX_IMAGE_SIZE, Name, NumClasses, document_model, read_model
from service.graph_io.fields import Place, read_integer
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits

_Word = Literal[
    "skip_connect",
    "conv_1x1",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "conv_1x7_7x1",
    "max_pool_3x3",
    "avg_pool_3x3",
]
OPERATIONS: tuple[str, ...] = get_args(_Word)
MAX_NODES, MAX_BLOCKS, MAX_CHANNELS = 64, 100, 2048
INPUTS = 2

_State = Annotated[int, Field(ge=0, le=MAX_NODES + 1)]
_Sources = Annotated[tuple[_State, ...], Field(min_length=1, max_length=MAX_NODES + 1)]
_Node = tuple[Annotated[_Word, Field(title="operation")], _Sources]


@document_model
class GHN1Document:
    """A block of GHN-1's space, repeated."""

    format: Literal["ghn1"] = "ghn1"
    operations: Annotated[
        tuple[_Node, ...],
        Field(
            min_length=1,
            max_length=MAX_NODES,
            description="[operation, states] pairs; each makes a state. States 0 and 1 are the inputs.",
        ),
    ]
    channels: Annotated[int, Field(ge=1, le=MAX_CHANNELS, description="Of the first block's states.")] = 32
    blocks: Annotated[int, Field(ge=1, le=MAX_BLOCKS)] = 18
    num_classes: NumClasses = 10
    image_size: Annotated[int, Field(ge=4, le=MAX_IMAGE_SIZE, description="Pixels a side.")] = 32
    name: Name = ""


def read_ghn1(document: Mapping[str, Any], *, limits: GraphLimits = DEFAULT_LIMITS) -> ArchGraph:
    """The network of a document as above. Raises InvalidArchitecture or LimitExceeded, naming the field."""
    network = read_model(GHN1Document, document)
    _check(network.operations)
    net, width = NetworkBuilder(network.image_size, limits), network.channels
    state = net.conv("stem.0", net.input(), (width, 3, 3, 3))
    state = net.batch_norm("stem.1", state, width)
    # What the last two blocks gave: name, channels, and how often its resolution was halved.
    older = newer = (state, width, 0)
    for index in range(network.blocks):
        if index and index in (network.blocks // 3, 2 * network.blocks // 3):
            width *= 2
            halved = newer[2] + 1
        else:
            halved = newer[2]
        net.cell = index
        output, channels = _block(net, f"blocks.{index}", network.operations, width, (older, newer), halved)
        older, newer = newer, (output, channels, halved)
    net.cell = None
    return net.build(net.classifier("classifier", newer[0], newer[1], network.num_classes), network.name)


def _check(nodes: tuple[_Node, ...]) -> None:
    """A node reads states that exist by then, each once."""
    for index, (_, sources) in enumerate(nodes):
        place = Place() / "operations" / index / 1
        for position, source in enumerate(sources):
            read_integer(source, place / position, least=0, most=index + 1)
        if len(set(sources)) < len(sources):
            raise place.refuse(f"{place.named} names a state twice.")
    if not any(1 in sources for _, sources in nodes):
        raise (Place() / "operations").refuse(
            "No node reads state 1, the block before.", "Without that, every other block would be left out."
        )


def _block(
    net: NetworkBuilder,
    name: str,
    nodes: tuple[_Node, ...],
    width: int,
    inputs: tuple[tuple[str, int, int], tuple[str, int, int]],
    halved: int,
) -> tuple[str, int]:
    """The output and its channels."""
    states: list[str] = []
    read = {source for _, sources in nodes for source in sources}
    for index, (state, channels, before) in enumerate(inputs):
        if index not in read:
            states.append("")  # what nothing reads is not computed
            continue
        state = net.relu(f"{name}.inputs.{index}.0", state)
        state = net.conv(
            f"{name}.inputs.{index}.1", state, (width, channels, 1, 1), stride=2 ** (halved - before)
        )
        states.append(net.batch_norm(f"{name}.inputs.{index}.2", state, width))
    for index, (operation, sources) in enumerate(nodes):
        source = net.add(f"{name}.nodes.{index}.sum", [states[place] for place in sources])
        states.append(_operation(net, f"{name}.nodes.{index}", operation, source, width))
    leaves = [states[place] for place in range(INPUTS, len(states)) if place not in read]
    return net.concat(f"{name}.leaves", leaves), width * len(leaves)


def _operation(net: NetworkBuilder, name: str, operation: str, source: str, width: int) -> str:
    """Convolutions have a ReLU before them and a batch norm behind them."""
    if operation == "skip_connect":
        return source
    if operation == "max_pool_3x3":
        return net.max_pool(name, source, 3, stride=1, padding=1)
    if operation == "avg_pool_3x3":
        return net.avg_pool(name, source, 3, stride=1, padding=1, count_include_pad=False)
    state = net.relu(f"{name}.0", source)
    if operation == "conv_1x1":
        state = net.conv(f"{name}.1", state, (width, width, 1, 1))
    elif operation == "conv_1x7_7x1":
        state = net.conv(f"{name}.1", state, (width, width, 1, 7))
        state = net.conv(f"{name}.2", state, (width, width, 7, 1))
    else:
        kernel, dilation = int(operation[-1]), 2 if operation.startswith("dil") else 1
        state = net.conv(f"{name}.1", state, (width, 1, kernel, kernel), dilation=dilation, groups=width)
        state = net.conv(f"{name}.2", state, (width, width, 1, 1))
    return net.batch_norm(f"{name}.3", state, width)
