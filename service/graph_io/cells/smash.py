"""The memory-bank networks of SMASH (Brock et al. 2017, section 3.1): layers that read banks and write banks.

    {"format": "smash",
     "blocks": [{"banks": 2, "bank_channels": 16,
                 "layers": [{"read": [0], "write": [0, 1], "convs": [{"kernel": 3, "dilation": 2, "groups":
                 1}]}, ...]},
                ...]}

Optional: `stem_channels` (banks * bank_channels of the first block), `num_classes` (10), `image_size` (32),
`name`; in a layer `channels` (bank_channels): the width inside; in a convolution `dilation` (1), `groups`
(1), `branch` (0 or 1, default 0).

A block has `banks` memory banks of `bank_channels` channels each. Its input is brought to their joint width
by a 1x1 convolution and shared out among them. A layer joins the banks that it reads along the channels,
reduces them to its width by a 1x1 convolution, runs up to four convolutions in two branches (ReLU before
each; the branches' ends are added), and adds its result to the banks that it writes, brought to their width
by a 1x1 convolution if it differs. Between blocks: all banks are joined, batch norm, ReLU, and a 2x2 average
pool halves the resolution; after the last block the classifier follows instead. ResNets (one bank, read and
written), DenseNets (every layer writes a bank of its own and reads all before) and FractalNets are special
cases.

A subset: the paper's WeightNorm of the 1x1 filters is left to whoever trains, and its convolutions, which
all layers of a block share there, are parameters of each layer here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.graph_io.archgraph import ArchGraph
from service.graph_io.cells.network import NetworkBuilder
from service.graph_io.fields import Place, read_integer, read_integers, read_list, read_object, read_text
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits

MAX_BLOCKS, MAX_LAYERS, MAX_BANKS, MAX_CONVS = 16, 200, 64, 4
MAX_CHANNELS = 4096


@dataclass(frozen=True, slots=True)
class Convolution:
    kernel: int
    dilation: int
    groups: int
    branch: int


@dataclass(frozen=True, slots=True)
class Layer:
    """read, write: indices of banks. channels: the width inside."""

    read: tuple[int, ...]
    write: tuple[int, ...]
    channels: int
    convs: tuple[Convolution, ...]


@dataclass(frozen=True, slots=True)
class Block:
    banks: int
    bank_channels: int
    layers: tuple[Layer, ...]


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
    root = Place()
    fields = read_object(
        document,
        root,
        required=("blocks",),
        optional=("format", "stem_channels", "num_classes", "image_size", "name"),
    )
    entries = read_list(fields["blocks"], root / "blocks", most=MAX_BLOCKS)
    if not entries:
        raise (root / "blocks").refuse("The network has no blocks.")
    blocks = [_parse_block(entry, root / "blocks" / index) for index, entry in enumerate(entries)]
    first_width = blocks[0].banks * blocks[0].bank_channels
    channels = read_integer(
        fields.get("stem_channels", first_width), root / "stem_channels", least=1, most=2**16
    )
    num_classes = read_integer(fields.get("num_classes", 10), root / "num_classes", least=1, most=100_000)
    image_size = read_integer(
        fields.get("image_size", 32), root / "image_size", least=2 ** (len(blocks) - 1), most=4096
    )
    name = read_text(fields.get("name", ""), root / "name")
    return MemoryBankNetwork(tuple(blocks), channels, num_classes, image_size, name)


def build_smash(network: MemoryBankNetwork, *, limits: GraphLimits = DEFAULT_LIMITS) -> ArchGraph:
    """Its operators. Raises LimitExceeded for a network that is too large."""
    net, channels = NetworkBuilder(network.image_size, limits), network.stem_channels
    state = net.conv("stem", net.input(), (channels, 3, 3, 3))
    for index, block in enumerate(network.blocks):
        net.cell = index
        state = _block(net, f"blocks.{index}", state, channels, block)
        net.cell = None
        channels = block.banks * block.bank_channels
        state = net.batch_norm(f"transitions.{index}.norm", state, channels)
        state = net.relu(f"transitions.{index}.relu", state)
        if index < len(network.blocks) - 1:
            state = net.avg_pool(f"transitions.{index}.pool", state, 2, stride=2)
    return net.build(net.classifier("classifier", state, channels, network.num_classes), network.name)


def _parse_block(value: Any, place: Place) -> Block:
    fields = read_object(value, place, required=("banks", "bank_channels", "layers"))
    banks = read_integer(fields["banks"], place / "banks", least=1, most=MAX_BANKS)
    width = read_integer(fields["bank_channels"], place / "bank_channels", least=1, most=MAX_CHANNELS)
    entries = read_list(fields["layers"], place / "layers", most=MAX_LAYERS)
    layers = tuple(
        _parse_layer(entry, place / "layers" / index, banks, width) for index, entry in enumerate(entries)
    )
    return Block(banks, width, layers)


def _parse_layer(value: Any, place: Place, banks: int, width: int) -> Layer:
    fields = read_object(value, place, required=("read", "write"), optional=("channels", "convs"))
    channels = read_integer(fields.get("channels", width), place / "channels", least=1, most=MAX_CHANNELS)
    entries = read_list(fields.get("convs", ()), place / "convs", most=MAX_CONVS)
    convs = tuple(
        _parse_conv(entry, place / "convs" / index, channels) for index, entry in enumerate(entries)
    )
    return Layer(
        _banks(fields["read"], place / "read", banks),
        _banks(fields["write"], place / "write", banks),
        channels,
        convs,
    )


def _banks(value: Any, place: Place, banks: int) -> tuple[int, ...]:
    """Indices of banks: one or more, each once."""
    chosen = read_integers(value, place, most=banks, least_value=0)
    if not chosen or len(set(chosen)) < len(chosen) or max(chosen) >= banks:
        raise place.refuse(
            f"{place.named}, {list(chosen)}, must name one or more of the banks 0 to {banks - 1}, each once."
        )
    return chosen


def _parse_conv(value: Any, place: Place, channels: int) -> Convolution:
    fields = read_object(value, place, required=("kernel",), optional=("dilation", "groups", "branch"))
    kernel = read_integer(fields["kernel"], place / "kernel", least=1, most=15)
    if kernel % 2 == 0:
        raise (place / "kernel").refuse(f"The kernel is {kernel}; an odd one keeps the size of its input.")
    groups = read_integer(fields.get("groups", 1), place / "groups", least=1, most=channels)
    if channels % groups:
        raise (place / "groups").refuse(
            f"{groups} groups do not divide the {channels} channels of the layer."
        )
    dilation = read_integer(fields.get("dilation", 1), place / "dilation", least=1, most=16)
    return Convolution(
        kernel, dilation, groups, read_integer(fields.get("branch", 0), place / "branch", least=0, most=1)
    )


def _block(net: NetworkBuilder, prefix: str, source: str, channels: int, block: Block) -> str:
    """The joined banks of a block after all of its layers."""
    width = block.banks * block.bank_channels
    written = net.conv(f"{prefix}.enter", source, (width, channels, 1, 1))
    banks = [
        net.channels_of(
            f"{prefix}.bank.{bank}", written, bank * block.bank_channels, block.bank_channels, width
        )
        for bank in range(block.banks)
    ]
    for index, layer in enumerate(block.layers):
        name = f"{prefix}.layers.{index}"
        result = _layer(
            net, name, net.concat(f"{name}.read", [banks[bank] for bank in layer.read]), layer, block
        )
        for bank in layer.write:
            banks[bank] = net.add(f"{name}.write.{bank}", (banks[bank], result))
    return net.concat(f"{prefix}.banks", banks)


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
