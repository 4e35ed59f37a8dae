"""Architecture documents as rows of features.

There are two ways to see an architecture. A benchmark cell (`nasbench201` or `nasbench101`, no options but
the number of classes, which changes nothing in the cell) is seen as its cell: quickly, and best for a
regressor that knows only cells of that benchmark. Everything
else is seen as its whole network, beside the features of its cell where it has one; so architectures of all
formats can be ranked together.

A row has two parts: `structure`, what decides how good a network is, and `counts`, what adds up to its cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from service.errors import InvalidArchitecture
from service.graph_io.archgraph import ArchGraph
from service.graph_io.printed import plain_document
from service.graph_io.read import format_of, read_document
from service.predictors.features.cells import FEATURES, cell_features
from service.predictors.features.network_cost import operations
from service.predictors.features.network_work import WORK, network_work
from service.predictors.features.networks import NETWORK_FEATURES, network_features
from service.predictors.features.stages import STAGE_FEATURES, stage_features
from service.predictors.features.structure import KINDS, NONE, CellStructure, cell_structure
from service.predictors.features.walks import WALK_FEATURES, walk_features

View = Literal["cell", "network"]
# Reads a document of any format; `read_document` where torchvision networks are not wanted.
Reader = Callable[[Any], ArchGraph]

_CELL_FIELDS = {"nasbench201": {"cell"}, "nasbench101": {"matrix", "ops"}}
_WRITTEN = (*KINDS, NONE)
WRITTEN_COUNTS: tuple[str, ...] = tuple(f"written_{kind}" for kind in _WRITTEN)
CELL_STRUCTURE: tuple[str, ...] = (*FEATURES, *WALK_FEATURES)
_STRUCTURE: dict[View, tuple[str, ...]] = {
    "cell": CELL_STRUCTURE,
    "network": (*NETWORK_FEATURES, *STAGE_FEATURES, *CELL_STRUCTURE),
}
_COUNTS: dict[View, tuple[str, ...]] = {
    "cell": WRITTEN_COUNTS,
    "network": (*WORK, *WRITTEN_COUNTS),
}


def is_bare_cell(document: Any) -> bool:
    """Whether it is a benchmark's cell in the benchmark's own network."""
    fields = _CELL_FIELDS.get(format_of(document))
    return fields is not None and set(document) == fields | {"format"} | (set(document) & {"name"})


def is_benchmark_cell(document: Any) -> bool:
    """The same for any number of classes."""
    fields = _CELL_FIELDS.get(format_of(document))
    return fields is not None and fields <= set(document) <= fields | {"format", "name", "num_classes"}


def view_of(documents: Sequence[Any]) -> View:
    """How to see these: as cells if all are cells of one benchmark, else as networks."""
    documents = [plain_document(document) for document in documents]
    formats = {format_of(document) for document in documents}
    return "cell" if len(formats) == 1 and all(map(is_benchmark_cell, documents)) else "network"


def feature_names(view: View) -> tuple[str, ...]:
    return (*_STRUCTURE[view], *_COUNTS[view])


def structure_size(view: View) -> int:
    """How many of the features are structure; the counts follow them."""
    return len(_STRUCTURE[view])


def columns_of(view: View, names: Sequence[str]) -> tuple[list[int], int]:
    """Where features of these names stand in a row, and how many of them, the first ones, are structure: for
    predictors that were fitted when there were fewer features.

    Raises KeyError for a name that there is not.
    """
    place = {name: index for index, name in enumerate(feature_names(view))}
    columns = [place[name] for name in names]
    return columns, sum(index < structure_size(view) for index in columns)


def features_of(
    document: Any, view: View, *, read: Reader = read_document, structure: bool = True
) -> list[float]:
    """One row of `feature_names(view)`. Raises what `read` raises for what is no network.

    structure: False leaves zeros in its place, for a regressor that looks at the counts alone: these take a
    fifth of the time.

    A cell that connects nothing has features as a cell (the benchmark reports chance for it), none as a
    network.
    """
    document = plain_document(document)
    if view == "cell":
        if not is_benchmark_cell(document):
            raise InvalidArchitecture(
                "This predictor knows cells of one benchmark only.",
                field="/format",
                hint="Use a predictor that was fitted on architectures of this kind.",
            )
        cell = cell_structure(document)
        return [*(cell_row(cell) if structure else _zeros(CELL_STRUCTURE)), *_written(cell)]
    graph = read(document)
    cell_part, written = _zeros(CELL_STRUCTURE), _zeros(WRITTEN_COUNTS)
    if format_of(document) in _CELL_FIELDS:
        cell = cell_structure(document)
        cell_part, written = cell_row(cell) if structure else cell_part, _written(cell)
    worked = tuple(operations(graph))
    network_part = _zeros((*NETWORK_FEATURES, *STAGE_FEATURES))
    if structure:
        network_part = [*network_features(graph, worked), *stage_features(worked, graph.input_shape)]
    return [*network_part, *cell_part, *network_work(graph, worked), *written]


def cell_row(cell: CellStructure) -> list[float]:
    """The numbers of one cell, in the order of CELL_STRUCTURE."""
    return [*cell_features(cell), *walk_features(cell.operations)]


def _zeros(names: Sequence[str]) -> list[float]:
    return [0.0] * len(names)


def _written(cell: CellStructure) -> list[float]:
    return [float(cell.written.get(kind, 0)) for kind in _WRITTEN]
