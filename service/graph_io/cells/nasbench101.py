"""NAS-Bench-101 (Ying et al. 2019): a cell of up to seven vertices becomes the benchmark's full network.

    {"format": "nasbench101",
     "matrix": [[0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]],
     "ops": ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]}

`matrix` may also be its strict upper triangle by rows, "110101", and `ops` may be letters, "I3MO". Optional:
`channels` (128), `stacks` (3), `modules` (3, a stack), `num_classes` (10), `image_size` (32), `name`.

Vertex 0 is the cell's input, the last its output; what does not lie between them is removed. The network: a
3x3 convolution with batch norm and ReLU, stacks of equal cells, each but the first behind a 2x2 max pool and
with twice the channels, the mean over all positions, a classifier. In a cell the input reaches a vertex
through a 1x1 convolution, vertices add what they read, the output joins what it reads along the channels,
and an edge from input to output is added at the end. The channels of a cell are shared out among the
vertices that the output reads; a vertex before others has as many as the widest of them, and whoever has
fewer reads the first ones only. Parameter names are those of the usual PyTorch port
(`layers.1.vertex_op.1.conv3x3.conv_bn_relu.0.weight`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from service.graph_io.fields import Place, read_choice, read_integer, shown
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits

INPUT, OUTPUT = "input", "output"
CONV3X3, CONV1X1, MAXPOOL3X3 = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
OPERATIONS = (CONV3X3, CONV1X1, MAXPOOL3X3)
LETTERS = {"I": INPUT, "3": CONV3X3, "1": CONV1X1, "M": MAXPOOL3X3, "O": OUTPUT}
MAX_VERTICES = 7
MAX_EDGES = 9

Op = Annotated[
    Literal["input", "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3", "output"],
    Field(title="operation of NAS-Bench-101"),
]
_Bit = Annotated[int, Field(ge=0, le=1)]
_Row = Annotated[tuple[_Bit, ...], Field(max_length=MAX_VERTICES)]
Matrix = Annotated[
    Annotated[str, Field(max_length=MAX_VERTICES * (MAX_VERTICES - 1) // 2)]
    | Annotated[tuple[_Row, ...], Field(max_length=MAX_VERTICES)],
    Field(description="1 for an edge: square, by rows, or what is above the diagonal as digits."),
]
Ops = Annotated[
    Annotated[str, Field(max_length=MAX_VERTICES)]
    | Annotated[tuple[Op, ...], Field(max_length=MAX_VERTICES)],
    Field(description="One a vertex, or a letter each: I, 3, 1, M, O."),
]
_read_matrix, _read_ops = reader_of(Matrix), reader_of(Ops)


@document_model
class NASBench101Document:
    """A cell of NAS-Bench-101, in the benchmark's full network."""

    format: Literal["nasbench101"] = "nasbench101"
    matrix: Matrix
    ops: Ops
    channels: Annotated[
        int, Field(ge=MAX_VERTICES, le=4096, description="Of the stem and the first stack.")
    ] = 128
    stacks: Annotated[int, Field(ge=1, le=8)] = 3
    modules: Annotated[int, Field(ge=1, le=100, description="Cells a stack.")] = 3
    num_classes: NumClasses = 10
    image_size: Annotated[
        int,
        Field(ge=1, le=MAX_IMAGE_SIZE, description="Pixels a side; every stack but the first halves them."),
    ] = 32
    name: Name = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """matrix: 0 or 1, [i][j] for an edge from vertex i to vertex j > i. ops: one a vertex, input first,
    output last.
    """

    matrix: tuple[tuple[int, ...], ...]
    ops: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ops)

    def sources(self, vertex: int) -> list[int]:
        return [source for source in range(vertex) if self.matrix[source][vertex]]

    def readers(self, vertex: int) -> list[int]:
        return [reader for reader in range(vertex + 1, len(self)) if self.matrix[vertex][reader]]


def parse_cell(matrix: Any, ops: Any) -> Cell:
    """A cell from a document's fields, as given: nothing is pruned.

    Raises InvalidArchitecture or LimitExceeded, naming the field.
    """
    return _cell_of(_read_matrix(matrix, Place() / "matrix"), _read_ops(ops, Place() / "ops"))


def _cell_of(matrix: Matrix, ops: Ops) -> Cell:
    place = Place() / "matrix"
    parsed_ops = _parse_ops(ops, Place() / "ops")
    rows = (
        _from_triangle(matrix, len(parsed_ops), place)
        if isinstance(matrix, str)
        else _from_rows(matrix, place)
    )
    if len(rows) != len(parsed_ops):
        raise place.refuse(
            f"The matrix has {len(rows)} rows, but there are {len(parsed_ops)} ops.", "Give one op a vertex."
        )
    edges = sum(map(sum, rows))
    if edges > MAX_EDGES:
        raise place.refuse(f"The cell has {edges} edges; cells of NAS-Bench-101 have at most {MAX_EDGES}.")
    return Cell(rows, parsed_ops)


def _parse_ops(ops: str | tuple[str, ...], place: Place) -> tuple[str, ...]:
    """Full names of what may be one letter each."""
    if isinstance(ops, str):
        ops = tuple(LETTERS[read_choice(letter, place, LETTERS, what="operation")] for letter in ops)
    if len(ops) < 2 or ops[0] != INPUT or ops[-1] != OUTPUT:
        raise place.refuse("The first op must be 'input', the last 'output'.")
    for index, op in enumerate(ops[1:-1], start=1):
        if op not in OPERATIONS:
            raise (place / index).refuse(
                f"Op {index} is {op!r}; between input and output: {', '.join(OPERATIONS)}."
            )
    return ops


def _from_rows(rows: tuple[tuple[int, ...], ...], place: Place) -> tuple[tuple[int, ...], ...]:
    for i, row in enumerate(rows):
        if len(row) != len(rows):
            raise (place / i).refuse(
                f"Row {i} of the matrix has {len(row)} entries, but there are {len(rows)} rows."
            )
        for j in range(i + 1):
            if row[j]:
                raise (place / i / j).refuse(
                    f"The matrix has an edge from vertex {i} back to vertex {j}.",
                    "Only entries above the diagonal may be 1.",
                )
    return rows


def _from_triangle(text: str, size: int, place: Place) -> tuple[tuple[int, ...], ...]:
    """Row by row what is above the diagonal, as digits."""
    expected = size * (size - 1) // 2
    if len(text) != expected or set(text) - {"0", "1"}:
        raise place.refuse(
            f"The upper triangle of {size} vertices is {expected} digits 0 or 1, not {shown(text)}."
        )
    digits = iter(text)
    return tuple(tuple(int(next(digits)) if j > i else 0 for j in range(size)) for i in range(size))


def prune(cell: Cell) -> Cell | None:
    """The cell without the vertices that do not lie between input and output; None if nothing connects
    these.
    """
    last = len(cell) - 1
    after = {0}
    for vertex in range(1, len(cell)):
        if after & set(cell.sources(vertex)):
            after.add(vertex)
    before = {last}
    for vertex in reversed(range(last)):
        if before & set(cell.readers(vertex)):
            before.add(vertex)
    kept = sorted(after & before)
    if 0 not in kept or last not in kept:
        return None
    matrix = tuple(tuple(cell.matrix[i][j] for j in kept) for i in kept)
    return Cell(matrix, tuple(cell.ops[vertex] for vertex in kept))


def vertex_channels(cell: Cell, channels_in: int, channels_out: int) -> list[int]:
    """Channels of every vertex of a pruned cell; with two vertices there is nothing to share out.

    Those that the output reads split its channels evenly, the first ones take one more where that leaves a
    remainder; any other has as many as the widest of its readers.
    """
    last = len(cell) - 1
    channels = [0] * len(cell)
    channels[0], channels[last] = channels_in, channels_out
    final = [vertex for vertex in cell.sources(last) if vertex != 0]
    for position, vertex in enumerate(final):
        channels[vertex] = channels_out // len(final) + (position < channels_out % len(final))
    for vertex in reversed(range(1, last)):
        if vertex not in final:
            channels[vertex] = max(channels[reader] for reader in cell.readers(vertex))
    return channels


def read_nasbench101(document: Mapping[str, Any], *, limits: GraphLimits = DEFAULT_LIMITS) -> ArchGraph:
    """The network of a document as above. Raises InvalidArchitecture or LimitExceeded, naming the field."""
    network = read_model(NASBench101Document, document)
    cell = prune(_cell_of(network.matrix, network.ops))
    if cell is None:
        raise NotConnected(
            "No path leads from the cell's input to its output, so it is not a network.",
            field="/matrix",
            hint="Add the missing edges.",
        )
    channels, stacks, modules = network.channels, network.stacks, network.modules
    read_integer(network.image_size, Place() / "image_size", least=2 ** (stacks - 1), most=MAX_IMAGE_SIZE)
    net = NetworkBuilder(network.image_size, limits)
    state = _conv_norm_relu(net, "layers.0", net.input(), (channels, 3, 3, 3))
    layer, before = 1, channels
    for stack in range(stacks):
        if stack > 0:
            state = net.max_pool(f"layers.{layer}", state, 2, stride=2)
            layer, channels = layer + 1, channels * 2
        for module in range(modules):
            net.cell = stack * modules + module
            state = _cell(net, f"layers.{layer}", state, cell, before, channels)
            layer, before = layer + 1, channels
        net.cell = None
    return net.build(net.classifier("classifier", state, channels, network.num_classes), network.name)


def _cell(
    net: NetworkBuilder, prefix: str, source: str, cell: Cell, channels_in: int, channels_out: int
) -> str:
    last = len(cell) - 1
    channels = vertex_channels(cell, channels_in, channels_out)
    states: dict[int, str] = {}
    for vertex in range(1, last):
        terms = [
            net.channels_of(
                f"{prefix}.edge.{before}.{vertex}", states[before], 0, channels[vertex], channels[before]
            )
            for before in cell.sources(vertex)
            if before != 0
        ]
        if cell.matrix[0][vertex]:
            terms.append(_projection(net, prefix, vertex, source, channels_in, channels[vertex]))
        total = net.add(f"{prefix}.sum.{vertex}", terms)
        states[vertex] = _operation(
            net, f"{prefix}.vertex_op.{vertex}", total, cell.ops[vertex], channels[vertex]
        )
    joined: Sequence[str] = [states[vertex] for vertex in cell.sources(last) if vertex != 0]
    if not joined:
        return _projection(net, prefix, last, source, channels_in, channels_out)
    output = net.concat(f"{prefix}.concat", joined)
    if cell.matrix[0][last]:
        projected = _projection(net, prefix, last, source, channels_in, channels_out)
        output = net.add(f"{prefix}.sum.{last}", (output, projected))
    return output


def _projection(
    net: NetworkBuilder, prefix: str, vertex: int, source: str, channels_in: int, channels_out: int
) -> str:
    return _conv_norm_relu(net, f"{prefix}.input_op.{vertex}", source, (channels_out, channels_in, 1, 1))


def _operation(net: NetworkBuilder, name: str, source: str, op: str, channels: int) -> str:
    if op == MAXPOOL3X3:
        return net.max_pool(f"{name}.maxpool", source, 3, stride=1, padding=1)
    kernel, part = (3, "conv3x3") if op == CONV3X3 else (1, "conv1x1")
    return _conv_norm_relu(net, f"{name}.{part}", source, (channels, channels, kernel, kernel))


def _conv_norm_relu(net: NetworkBuilder, name: str, source: str, shape: tuple[int, int, int, int]) -> str:
    state = net.conv(f"{name}.conv_bn_relu.0", source, shape)
    state = net.batch_norm(f"{name}.conv_bn_relu.1", state, shape[0])
    return net.relu(f"{name}.conv_bn_relu.2", state)
