"""The filters of a memory-bank network whose weights are generated, each with a description of its layer.

These are its 1x1 convolutions, which have another shape in every architecture (Brock et al. 2017, sections
3.1 and 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from service.graph_io.cells.smash import MAX_CONVS, Block, Layer, MemoryBankNetwork, SmashConvolution
from service.graph_io.fields import Place
from service.predictors.smash.config import SmashConfig

_KINDS = ("enter", "reduce", "expand")


@dataclass(frozen=True, slots=True)
class Span:
    """Channels of a filter's input or output that belong to one memory bank. channels: how many."""

    bank: int
    channels: int


@dataclass(frozen=True, slots=True)
class Filter:
    """The weight of a 1x1 convolution from the channels of `inputs` to those of `outputs`.

    name: of the parameter. role, operation: zeros and ones, as many for every filter: what it is for and in
    which block and layer; what the layer reads, does and writes. in_layer: not one that enters a block.
    """

    name: str
    inputs: tuple[Span, ...]
    outputs: tuple[Span, ...]
    role: tuple[float, ...]
    operation: tuple[float, ...]
    in_layer: bool

    @property
    def shape(self) -> tuple[int, int, int, int]:
        out, into = (sum(span.channels for span in spans) for spans in (self.outputs, self.inputs))
        return out, into, 1, 1


def role_length(config: SmashConfig) -> int:
    return len(_KINDS) + config.blocks + config.layers


def operation_length(config: SmashConfig) -> int:
    per_conv = len(config.kernels) + len(config.dilations) + len(config.groups) + 1
    return 2 * config.banks + config.bank_units + config.layer_units + MAX_CONVS * per_conv


def generated_filters(network: MemoryBankNetwork, config: SmashConfig) -> tuple[Filter, ...]:
    """In execution order. Raises InvalidArchitecture, naming the field, outside of the space."""
    _check(network, config)
    filters: list[Filter] = []
    entering = _chunks(network.stem_channels, config.most_bank_channels)
    for index, block in enumerate(network.blocks):
        banks = tuple(Span(bank, block.bank_channels) for bank in range(block.banks))
        prefix, filled = f"blocks.{index}", tuple(banks[bank] for bank in block.enter)
        operation = _operation(config, block, tuple(span.bank for span in entering), block.enter, None)
        role = _role(config, "enter", index, None)
        filters.append(Filter(f"{prefix}.enter.weight", entering, filled, role, operation, in_layer=False))
        for place, layer in enumerate(block.layers):
            inside, width = f"{prefix}.layers.{place}", (Span(0, layer.channels),)
            reads = tuple(banks[bank] for bank in layer.read)
            operation = _operation(config, block, layer.read, layer.write, layer)
            role = _role(config, "reduce", index, place)
            filters.append(Filter(f"{inside}.reduce.weight", reads, width, role, operation, in_layer=True))
            if layer.channels != block.bank_channels:
                role = _role(config, "expand", index, place)
                expand = Filter(f"{inside}.expand.weight", width, banks[:1], role, operation, in_layer=True)
                filters.append(expand)
        entering = tuple(banks[bank] for bank in block.leave)
    return tuple(filters)


def _role(config: SmashConfig, kind: str, block: int, layer: int | None) -> tuple[float, ...]:
    return (
        *_hot([_KINDS.index(kind)], len(_KINDS)),
        *_hot([block], config.blocks),
        *_hot([] if layer is None else [layer], config.layers),
    )


def _operation(
    config: SmashConfig, block: Block, read: Sequence[int], write: Sequence[int], layer: Layer | None
) -> tuple[float, ...]:
    convs = () if layer is None else layer.convs
    parts = [
        _hot(read, config.banks),
        _hot(write, config.banks),
        _hot([ceil(block.bank_channels / config.unit) - 1], config.bank_units),
        _hot([] if layer is None else [ceil(layer.channels / config.unit) - 1], config.layer_units),
        *(_convolution(convs[slot] if slot < len(convs) else None, config) for slot in range(MAX_CONVS)),
    ]
    return tuple(value for part in parts for value in part)


def _convolution(conv: SmashConvolution | None, config: SmashConfig) -> list[float]:
    """All zeros where there is none."""
    if conv is None:
        return [0.0] * (len(config.kernels) + len(config.dilations) + len(config.groups) + 1)
    return [
        *_hot([config.kernels.index(conv.kernel)], len(config.kernels)),
        *_hot([config.dilations.index(conv.dilation)], len(config.dilations)),
        *_hot([config.groups.index(conv.groups)], len(config.groups)),
        float(conv.branch),
    ]


def _hot(places: Sequence[int], length: int) -> list[float]:
    return [float(place in places) for place in range(length)]


def _chunks(channels: int, most: int) -> tuple[Span, ...]:
    """The channels of the stem, as if they were banks."""
    return tuple(
        Span(bank, min(most, channels - start)) for bank, start in enumerate(range(0, channels, most))
    )


def _check(network: MemoryBankNetwork, config: SmashConfig) -> None:
    root = Place()
    if network.num_classes != config.num_classes:
        raise (root / "num_classes").refuse(
            f"The network has {network.num_classes} classes; the model generates weights for "
            f"{config.num_classes}."
        )
    _at_most(root / "stem_channels", network.stem_channels, config.most_channels)
    _at_most(root / "blocks", len(network.blocks), config.blocks)
    for index, block in enumerate(network.blocks):
        place = root / "blocks" / index
        _at_most(place / "banks", block.banks, config.banks)
        _at_most(place / "bank_channels", block.bank_channels, config.most_bank_channels)
        _at_most(place / "layers", len(block.layers), config.layers)
        for number, layer in enumerate(block.layers):
            here = place / "layers" / number
            _at_most(here / "channels", layer.channels, config.most_layer_channels)
            for slot, conv in enumerate(layer.convs):
                _one_of(here / "convs" / slot / "kernel", conv.kernel, config.kernels)
                _one_of(here / "convs" / slot / "dilation", conv.dilation, config.dilations)
                _one_of(here / "convs" / slot / "groups", conv.groups, config.groups)


def _at_most(place: Place, value: int, most: int) -> None:
    if value > most:
        raise place.refuse(
            f"{place.named} is {value}; the model generates weights for at most {most}.",
            hint="Train a SMASH model of a larger space.",
        )


def _one_of(place: Place, value: int, known: Sequence[int]) -> None:
    if value not in known:
        raise place.refuse(
            f"{place.named} is {value}; the model knows {', '.join(map(str, known))}.",
            hint="Train a SMASH model of a larger space.",
        )
