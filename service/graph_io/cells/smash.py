"""The memory-bank networks of SMASH (Brock et al. 2017, section 3.1): layers that read banks and write banks.

    {"format": "smash",
     "blocks": [{"banks": 2, "bank_channels": 16,
                 "layers": [{"read": [0], "write": [0, 1],
                             "convs": [{"kernel": 3, "dilation": 2, "groups": 1}]}]}]}

All fields and their defaults: `SmashDocument`.

A block has `banks` memory banks of `bank_channels` channels each. Its input is brought by a 1x1 convolution
to the joint width of those that it enters, all of them where nothing is said, and shared out among them. The
others start as zeros, as all do in the paper: the first layer that writes one fills it. A layer joins the
banks that it reads along the channels, reduces them to its width by a 1x1 convolution, runs up to four
convolutions in two branches (ReLU before each; the branches' ends are added), and adds its result to the
banks that it writes, brought to their width by a 1x1 convolution if it differs. Between blocks: the banks
that a block leaves behind, all of them where nothing is said, are joined, batch norm, ReLU, and a 2x2 average
pool halves the resolution; after the last block the classifier follows instead. ResNets (one bank, read and
written), DenseNets (every layer writes a bank of its own and reads all before) and FractalNets (one bank is
left behind) are special cases.

A subset: the paper's WeightNorm of the 1x1 filters is left to whoever trains, and its convolutions, which
all layers of a block share there, are parameters of each layer here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from service.graph_io.archgraph import ArchGraph
from service.graph_io.cells.network import NetworkBuilder
from service.graph_io.document_model import MAX_IMAGE_SIZE, Name, NumClasses, document_model, read_model
from service.graph_io.fields import Place, read_integer
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits

MAX_BLOCKS, MAX_LAYERS, MAX_BANKS, MAX_CONVS = 16, 200, 64, 4
MAX_CHANNELS = 4096

_Channels = Annotated[int, Field(ge=1, le=MAX_CHANNELS)]
_Banks = Annotated[
    tuple[Annotated[int, Field(ge=0, le=MAX_BANKS - 1)], ...], Field(min_length=1, max_length=MAX_BANKS)
]


@document_model
class SmashConvolution:
    """A convolution of a layer's width; ReLU stands before it."""

    kernel: Annotated[int, Field(ge=1, le=15, description="Pixels a side, odd.")]
    dilation: Annotated[int, Field(ge=1, le=16)] = 1
    groups: Annotated[int, Field(ge=1, le=MAX_CHANNELS, description="They divide the layer's channels.")] = 1
    branch: Annotated[int, Field(ge=0, le=1, description="The ends of both branches are added.")] = 0


@document_model
class SmashLayer:
    """Reads banks, runs up to four convolutions, and adds the result to the banks that it writes."""

    read: _Banks
    write: _Banks
    channels: Annotated[
        _Channels | None, Field(description="Inside. Default: the block's bank_channels.")
    ] = None
    convs: Annotated[tuple[SmashConvolution, ...], Field(max_length=MAX_CONVS)] = ()


@document_model
class SmashBlock:
    """Memory banks of equal width, and the layers that read and write them."""

    banks: Annotated[int, Field(ge=1, le=MAX_BANKS)]
    bank_channels: _Channels
    layers: Annotated[tuple[SmashLayer, ...], Field(max_length=MAX_LAYERS)]
    enter: Annotated[
        _Banks | None, Field(description="Banks that the input fills; others start as zeros. Default: all.")
    ] = None
    leave: Annotated[_Banks | None, Field(description="Banks that are given on. Default: all.")] = None


@document_model
class SmashDocument:
    """A network of the SMASH space: blocks of memory banks, each at half the resolution of the one before."""

    format: Literal["smash"] = "smash"
    blocks: Annotated[tuple[SmashBlock, ...], Field(min_length=1, max_length=MAX_BLOCKS)]
    stem_channels: Annotated[
        Annotated[int, Field(ge=1, le=2**16)] | None,
        Field(description="Default: the joint width of the first block's banks."),
    ] = None
    num_classes: NumClasses = 10
    image_size: Annotated[int, Field(ge=1, le=MAX_IMAGE_SIZE, description="Pixels a side.")] = 32
    name: Name = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """read, write: indices of banks. channels: the width inside."""

    read: tuple[int, ...]
    write: tuple[int, ...]
    channels: int
    convs: tuple[SmashConvolution, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """enter, leave: banks that the input fills, and that are given on."""

    banks: int
    bank_channels: int
    layers: tuple[Layer, ...]
    enter: tuple[int, ...]
    leave: tuple[int, ...]

    @property
    def left_channels(self) -> int:
        return len(self.leave) * self.bank_channels


@dataclass(frozen=True, slots=True)
class MemoryBankNetwork:
    """A document that was read. image_size: pixels a side."""

    blocks: tuple[Block, ...]
    stem_channels: int
    num_classes: int
    image_size: int
    name: str


def read_smash(document: Mapping[str, Any], *, limits: GraphLimits = DEFAULT_LIMITS) -> ArchGraph:
    """The network of a document as above. Raises InvalidArchitecture or LimitExceeded, naming the field."""
    return build_smash(parse_smash(document), limits=limits)


def parse_smash(document: Mapping[str, Any]) -> MemoryBankNetwork:
    """What a document says. Raises InvalidArchitecture or LimitExceeded, naming the field."""
    read = read_model(SmashDocument, document)
    root = Place()
    blocks = tuple(_parse_block(block, root / "blocks" / index) for index, block in enumerate(read.blocks))
    read_integer(read.image_size, root / "image_size", least=2 ** (len(blocks) - 1), most=MAX_IMAGE_SIZE)
    channels = read.stem_channels or len(blocks[0].enter) * blocks[0].bank_channels
    return MemoryBankNetwork(blocks, channels, read.num_classes, read.image_size, read.name)


def build_smash(network: MemoryBankNetwork, *, limits: GraphLimits = DEFAULT_LIMITS) -> ArchGraph:
    """Its operators. Raises LimitExceeded for a network that is too large."""
    net, channels = NetworkBuilder(network.image_size, limits), network.stem_channels
    state = net.conv("stem", net.input(), (channels, 3, 3, 3))
    for index, block in enumerate(network.blocks):
        net.cell = index
        state = _block(net, f"blocks.{index}", state, channels, block)
        net.cell = None
        channels = block.left_channels
        state = net.batch_norm(f"transitions.{index}.norm", state, channels)
        state = net.relu(f"transitions.{index}.relu", state)
        if index < len(network.blocks) - 1:
            state = net.avg_pool(f"transitions.{index}.pool", state, 2, stride=2)
    return net.build(net.classifier("classifier", state, channels, network.num_classes), network.name)


def _parse_block(block: SmashBlock, place: Place) -> Block:
    layers = tuple(
        _parse_layer(layer, place / "layers" / index, block) for index, layer in enumerate(block.layers)
    )
    every = tuple(range(block.banks))
    enter = every if block.enter is None else block.enter
    leave = every if block.leave is None else block.leave
    _check_banks(enter, place / "enter", block.banks)
    _check_banks(leave, place / "leave", block.banks)
    written = set(enter)
    for index, layer in enumerate(layers):
        _check_written(layer.read, written, place / "layers" / index / "read")
        written |= set(layer.write)
    _check_written(leave, written, place / "leave")
    return Block(block.banks, block.bank_channels, layers, enter, leave)


def _check_written(banks: tuple[int, ...], written: set[int], place: Place) -> None:
    """Zeros that nothing was added to say nothing: a layer that reads them is a layer that does not."""
    empty = sorted(set(banks) - written)
    if empty:
        raise place.refuse(
            f"{place.named} names bank {empty[0]}, which is all zeros there: nothing has written it.",
            "Leave it out, let a layer before write it, or let the block's input fill it with `enter`.",
        )


def _parse_layer(layer: SmashLayer, place: Place, block: SmashBlock) -> Layer:
    channels = layer.channels or block.bank_channels
    for index, conv in enumerate(layer.convs):
        _check_conv(conv, place / "convs" / index, channels)
    _check_banks(layer.read, place / "read", block.banks)
    _check_banks(layer.write, place / "write", block.banks)
    return Layer(layer.read, layer.write, channels, layer.convs)


def _check_banks(chosen: tuple[int, ...], place: Place, banks: int) -> None:
    if len(set(chosen)) < len(chosen) or max(chosen) >= banks:
        raise place.refuse(
            f"{place.named}, {list(chosen)}, must name one or more of the banks 0 to {banks - 1}, each once."
        )


def _check_conv(conv: SmashConvolution, place: Place, channels: int) -> None:
    if conv.kernel % 2 == 0:
        raise (place / "kernel").refuse(
            f"The kernel is {conv.kernel}; an odd one keeps the size of its input."
        )
    if channels % conv.groups:
        raise (place / "groups").refuse(
            f"{conv.groups} groups do not divide the {channels} channels of the layer."
        )


def _block(net: NetworkBuilder, prefix: str, source: str, channels: int, block: Block) -> str:
    """The joined banks that a block leaves behind."""
    width = len(block.enter) * block.bank_channels
    written = net.conv(f"{prefix}.enter", source, (width, channels, 1, 1))
    banks = {
        bank: net.channels_of(
            f"{prefix}.bank.{bank}", written, place * block.bank_channels, block.bank_channels, width
        )
        for place, bank in enumerate(block.enter)
    }
    for index, layer in enumerate(block.layers):
        name = f"{prefix}.layers.{index}"
        result = _layer(
            net, name, net.concat(f"{name}.read", [banks[bank] for bank in layer.read]), layer, block
        )
        for bank in layer.write:
            before = (banks[bank],) if bank in banks else ()
            banks[bank] = net.add(f"{name}.write.{bank}", (*before, result))
    return net.concat(f"{prefix}.banks", [banks[bank] for bank in block.leave])


def _layer(net: NetworkBuilder, name: str, source: str, layer: Layer, block: Block) -> str:
    width = layer.channels
    reduced = net.conv(f"{name}.reduce", source, (width, len(layer.read) * block.bank_channels, 1, 1))
    ends: list[str] = []
    for branch in (0, 1):
        state = reduced
        for index, conv in enumerate(layer.convs):
            if conv.branch == branch:
                state = net.relu(f"{name}.convs.{index}.relu", state)
                shape = (width, width // conv.groups, conv.kernel, conv.kernel)
                state = net.conv(
                    f"{name}.convs.{index}", state, shape, dilation=conv.dilation, groups=conv.groups
                )
        if state != reduced:
            ends.append(state)
    result = net.add(f"{name}.sum", ends) if ends else reduced
    if width != block.bank_channels:
        result = net.conv(f"{name}.expand", result, (block.bank_channels, width, 1, 1))
    return result
