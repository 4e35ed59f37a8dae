"""What a document of format "darts" says: its fields and their bounds, and which of them go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from service.graph_io.document_model import MAX_IMAGE_SIZE, Name, document_model, read_model
from service.graph_io.fields import Place, read_integer

_Word = Literal[
    "none",
    "skip_connect",
    "max_pool_3x3",
    "avg_pool_3x3",
    "conv_1x1",
    "conv_3x3",
    "conv_5x5",
    "conv_7x7",
    "conv_7x1_1x7",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "cse",
    "msa",
]
OPERATIONS: tuple[str, ...] = get_args(_Word)
MAX_CELLS, MAX_CHANNELS, MAX_STEPS = 200, 4096, 32

_State = Annotated[int, Field(ge=0, le=MAX_STEPS + 1)]
_Operation = tuple[Annotated[_Word, Field(title="operation")], _State]
_Operations = Annotated[
    tuple[_Operation, ...],
    Field(
        min_length=2,
        max_length=2 * MAX_STEPS,
        description="[operation, state] pairs; two make a state, their sum. States 0 and 1 are the inputs.",
    ),
]
_Concat = Annotated[
    tuple[_State, ...],
    Field(
        min_length=1,
        max_length=MAX_STEPS + 2,
        description="States whose channels are the cell's output; all new ones where nothing is said.",
    ),
]


@document_model
class Genotype:
    """Two cells. `normal[2 * i]` and `normal[2 * i + 1]` are the (operation, state) pairs summed into state
    i + 2.
    """

    normal: _Operations
    normal_concat: _Concat = ()
    reduce: _Operations
    reduce_concat: _Concat = ()


@document_model
class DartsDocument:
    """A DARTS genotype with a stem, a depth and a head, also with the extensions of DeepNets-1M."""

    format: Literal["darts"] = "darts"
    genotype: Genotype
    channels: Annotated[int, Field(ge=2, le=MAX_CHANNELS, description="Of the first cell's operations.")] = 36
    cells: Annotated[int, Field(ge=1, le=MAX_CELLS)] = 20
    num_classes: Annotated[int, Field(ge=1, le=1_000_000, description="Outputs of the last layer.")] = 10
    input: Annotated[
        Literal["cifar", "imagenet"],
        Field(description="Images of 32x32 or 224x224 pixels, and the strides that go with them."),
    ] = "cifar"
    image_size: Annotated[
        Annotated[int, Field(ge=8, le=MAX_IMAGE_SIZE)] | None,
        Field(description="Pixels a side, where they are others than `input` says."),
    ] = None
    stem: Annotated[
        Literal["plain", "strided"],
        Field(description="One convolution, or three of which the last halves the resolution."),
    ] = "plain"
    stem_kernel: Annotated[int, Field(ge=1, le=15, description="Odd.")] = 3
    stem_pool: bool = False
    norm: Literal["batch", "none"] = "batch"
    preprocess: Annotated[bool, Field(description="Whether cells bring their inputs to their width.")] = True
    channel_multiplier: Annotated[int, Field(ge=1, le=8, description="Of a reduction cell.")] = 2
    global_pool: Annotated[bool, Field(description="Before the classifier; else its input is flattened.")] = (
        True
    )
    fc_layers: Annotated[int, Field(ge=1, le=8, description="Layers of the classifier.")] = 1
    fc_dim: Annotated[int, Field(ge=1, le=65_536, description="Width between them.")] = 256
    name: Name = ""

    @property
    def has_attention(self) -> bool:
        return any(operation == "msa" for operation, _ in (*self.genotype.normal, *self.genotype.reduce))

    @property
    def side(self) -> int:
        """Pixels a side of the images."""
        return self.image_size or (224 if self.input == "imagenet" else 32)

    @property
    def final_side(self) -> int:
        """Resolution of the last cell's output at the network's own image size."""
        if self.has_attention:
            return 14 if self.input == "imagenet" else 11
        shrinks = 1 if self.stem == "strided" or self.stem_pool else 0
        if self.input == "imagenet":
            shrinks += 2
        # A network of one or two cells has fewer places where it shrinks.
        places = {self.cells // 3, 2 * self.cells // 3}
        return -(-self.side // (1 << (shrinks + len(places))))


def parse_document(document: Mapping[str, Any]) -> DartsDocument:
    """Raises InvalidArchitecture or LimitExceeded, naming the first field that is wrong."""
    network = _with_concat(read_model(DartsDocument, document))
    genotype, place = network.genotype, Place() / "genotype"
    _check_cell(genotype.normal, genotype.normal_concat, place / "normal", place / "normal_concat")
    _check_cell(genotype.reduce, genotype.reduce_concat, place / "reduce", place / "reduce_concat")
    _check_combination(network)
    return network


def _with_concat(network: DartsDocument) -> DartsDocument:
    """A cell that does not say what its output is joins all the states that it makes."""
    genotype = network.genotype
    complete = replace(
        genotype,
        normal_concat=genotype.normal_concat or _new_states(genotype.normal),
        reduce_concat=genotype.reduce_concat or _new_states(genotype.reduce),
    )
    return replace(network, genotype=complete)


def _new_states(operations: _Operations) -> _Concat:
    return tuple(range(2, 2 + len(operations) // 2))


def _check_cell(operations: _Operations, concat: _Concat, place: Place, concat_place: Place) -> None:
    """A pair reads states that exist by then, the output states that exist at all."""
    if len(operations) % 2:
        raise place.refuse(
            f"{place.named} has {len(operations)} pairs, an odd number.", "Each new state is the sum of two."
        )
    for position, (_, state) in enumerate(operations):
        read_integer(state, place / position / 1, least=0, most=1 + position // 2)
    for position, state in enumerate(concat):
        read_integer(state, concat_place / position, least=0, most=1 + len(operations) // 2)


def _check_combination(network: DartsDocument) -> None:
    root = Place()
    if network.stem_kernel % 2 == 0:
        raise (root / "stem_kernel").refuse(
            f"/stem_kernel is {network.stem_kernel}; it must be odd.",
            "An odd kernel keeps the size of its input.",
        )
    if not network.preprocess:
        stem_wider = network.input == "cifar" and network.stem == "plain" and not network.has_attention
        joined = len(network.genotype.normal_concat) > 1 or len(network.genotype.reduce_concat) > 1
        if joined or network.channel_multiplier > 1 or stem_wider:
            raise (root / "preprocess").refuse(
                "A network without preprocessing layers cannot change its number of channels.",
                'Set "preprocess": true, or use one state in each concat list, "channel_multiplier": 1 '
                "and a stem of the same width.",
            )
    if network.has_attention and network.image_size not in (None, 224 if network.input == "imagenet" else 32):
        raise (root / "image_size").refuse(
            "The position table of a network with self-attention is made for the images of its `input`.",
            "Leave image_size out.",
        )
    if network.has_attention and network.channels % 8:
        raise (root / "channels").refuse(
            f"Self-attention has 8 heads; {network.channels} channels cannot be divided among them.",
            "Use a multiple of 8.",
        )
