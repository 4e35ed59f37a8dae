"""What a document of format "darts" says, checked field by field. `darts.py` describes the fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.errors import InvalidArchitecture

OPERATIONS = (
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
)

MAX_CELLS, MAX_CHANNELS, MAX_STEPS = 200, 4096, 32


@dataclass(frozen=True, slots=True)
class Genotype:
    """Two cells. `normal[2 * i]` and `normal[2 * i + 1]` are the (operation, state) pairs summed into state
    i + 2.
    """

    normal: tuple[tuple[str, int], ...]
    normal_concat: tuple[int, ...]
    reduce: tuple[tuple[str, int], ...]
    reduce_concat: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DartsNetwork:
    genotype: Genotype
    channels: int
    cells: int
    num_classes: int
    input: str
    stem: str
    stem_kernel: int
    stem_pool: bool
    norm: str
    preprocess: bool
    channel_multiplier: int
    global_pool: bool
    fc_layers: int
    fc_dim: int

    @property
    def has_attention(self) -> bool:
        return any(operation == "msa" for operation, _ in (*self.genotype.normal, *self.genotype.reduce))

    @property
    def image_size(self) -> int:
        return 224 if self.input == "imagenet" else 32

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
        return -(-self.image_size // (1 << (shrinks + len(places))))


def parse_document(document: Mapping[str, object]) -> DartsNetwork:
    """Raises InvalidArchitecture naming the first field that is wrong."""
    fields = _Fields(document)
    network = DartsNetwork(
        genotype=_genotype(document.get("genotype")),
        channels=fields.integer("channels", None, 1, MAX_CHANNELS),
        cells=fields.integer("cells", None, 1, MAX_CELLS),
        num_classes=fields.integer("num_classes", 10, 1, 1_000_000),
        input=fields.choice("input", ("cifar", "imagenet")),
        stem=fields.choice("stem", ("plain", "strided")),
        stem_kernel=fields.integer("stem_kernel", 3, 1, 15),
        stem_pool=fields.flag("stem_pool", False),
        norm=fields.choice("norm", ("batch", "none")),
        preprocess=fields.flag("preprocess", True),
        channel_multiplier=fields.integer("channel_multiplier", 2, 1, 8),
        global_pool=fields.flag("global_pool", True),
        fc_layers=fields.integer("fc_layers", 1, 1, 8),
        fc_dim=fields.integer("fc_dim", 256, 1, 65_536),
    )
    fields.refuse_others()
    _check_combination(network)
    return network


def _check_combination(network: DartsNetwork) -> None:
    if network.stem_kernel % 2 == 0:
        raise InvalidArchitecture("`stem_kernel` must be odd.", field="stem_kernel")
    if not network.preprocess:
        stem_wider = network.input == "cifar" and network.stem == "plain" and not network.has_attention
        joined = len(network.genotype.normal_concat) > 1 or len(network.genotype.reduce_concat) > 1
        if joined or network.channel_multiplier > 1 or stem_wider:
            raise InvalidArchitecture(
                "A network without preprocessing layers cannot change its number of channels.",
                field="preprocess",
                hint='Set "preprocess": true, or use one state in each concat list, "channel_multiplier": 1 '
                "and a stem of the same width.",
            )
    if network.has_attention and network.channels % 8:
        raise InvalidArchitecture(
            f"Self-attention has 8 heads; {network.channels} channels cannot be divided among them.",
            field="channels",
            hint="Use a multiple of 8.",
        )
    if network.channels < 2:
        raise InvalidArchitecture("`channels` must be 2 or more.", field="channels")


def _genotype(value: object) -> Genotype:
    if not isinstance(value, Mapping):
        raise InvalidArchitecture(
            "`genotype` is missing or not an object.",
            field="genotype",
            hint="Give it as {normal, normal_concat, reduce, reduce_concat}.",
        )
    normal, reduce = _operations(value, "normal"), _operations(value, "reduce")
    return Genotype(
        normal,
        _concat(value, "normal_concat", len(normal) // 2),
        reduce,
        _concat(value, "reduce_concat", len(reduce) // 2),
    )


def _operations(genotype: Mapping[str, object], key: str) -> tuple[tuple[str, int], ...]:
    field = f"genotype.{key}"
    pairs = genotype.get(key)
    if not isinstance(pairs, list | tuple) or not pairs or len(pairs) % 2 or len(pairs) > 2 * MAX_STEPS:
        raise InvalidArchitecture(
            f"`{field}` must list 2 to {2 * MAX_STEPS} [operation, state] pairs, an even number of them.",
            field=field,
        )
    checked = []
    for position, pair in enumerate(pairs):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise InvalidArchitecture(
                f"`{field}[{position}]` is not an [operation, state] pair.", field=field
            )
        operation, state = pair
        if operation not in OPERATIONS:
            raise InvalidArchitecture(
                f"`{field}[{position}]` has the unknown operation {str(operation)[:60]!r}.",
                field=field,
                hint=f"Use one of: {', '.join(OPERATIONS)}.",
            )
        most = 1 + position // 2
        if not isinstance(state, int) or isinstance(state, bool) or not 0 <= state <= most:
            raise InvalidArchitecture(
                f"`{field}[{position}]` reads state {str(state)[:60]!r}; "
                f"at that point the states 0 to {most} exist.",
                field=field,
            )
        checked.append((str(operation), state))
    return tuple(checked)


def _concat(genotype: Mapping[str, object], key: str, steps: int) -> tuple[int, ...]:
    field = f"genotype.{key}"
    indices = genotype.get(key)
    checked: list[int] = []
    for index in indices if isinstance(indices, list | tuple) and len(indices) <= MAX_STEPS + 2 else ():
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < steps + 2:
            checked = []
            break
        checked.append(index)
    if not checked:
        raise InvalidArchitecture(f"`{field}` must list states from 0 to {steps + 1}.", field=field)
    return tuple(checked)


class _Fields:
    """Typed access to a document; remembers what was asked for, so that misspelt fields are refused."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self.document = document
        self.known = {"format", "genotype", "name"}

    def _get(self, field: str, default: object) -> object:
        self.known.add(field)
        value = self.document.get(field, default)
        if value is None:
            raise InvalidArchitecture(f"`{field}` is missing.", field=field)
        return value

    def integer(self, field: str, default: int | None, least: int, most: int) -> int:
        value = self._get(field, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise InvalidArchitecture(
                f"`{field}` must be a whole number from {least} to {most}.", field=field
            )
        return value

    def flag(self, field: str, default: bool) -> bool:
        value = self._get(field, default)
        if not isinstance(value, bool):
            raise InvalidArchitecture(f"`{field}` must be true or false.", field=field)
        return value

    def choice(self, field: str, choices: tuple[str, ...]) -> str:
        """The first choice is the default."""
        value = self._get(field, choices[0])
        if value not in choices:
            raise InvalidArchitecture(f"`{field}` must be one of: {', '.join(choices)}.", field=field)
        return str(value)

    def refuse_others(self) -> None:
        others = sorted(str(field)[:60] for field in self.document if field not in self.known)
        if others:
            raise InvalidArchitecture(
                f"Unknown field {others[0]!r}.",
                field=others[0],
                hint=f"Known fields: {', '.join(sorted(self.known))}.",
            )
