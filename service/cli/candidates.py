"""What `weightcast rank` puts in order: the records of one file, or networks by their sources."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from service.cli import sources
from service.cli.details import Details
from service.cli.records import ARCHITECTURE_LINES, Record, Records, read_records
from service.errors import ServiceError

_ONNX, _JSON = ".onnx", ".json"


def read_candidates(names: Sequence[str]) -> Records:
    """One file of records is read as such. Several names are sources, as of `weightcast predict`, and so is
    one that names a network. A source that cannot be read is a record with its error.

    Raises InvalidInput for a file without records, BadParameter for one that is not there.
    """
    if len(names) == 1 and _is_file(names[0]):
        return read_records(Path(names[0]), ARCHITECTURE_LINES)
    expanded = sources.expand(names)
    return Records("source", tuple(Record(*each) for each in enumerate(map(_entry, expanded), start=1)))


def _is_file(name: str) -> bool:
    """Raises BadParameter for a name that is neither a file nor a source."""
    # Not by pathlib, to which a genotype that is longer than the name of a file is an error.
    if name == "-" or (os.path.isfile(name) and Path(name).suffix.lower() != _ONNX):
        return True
    try:
        for source in sources.expand([name]):
            sources.stem(source)
    except ServiceError:
        raise typer.BadParameter(f"file {name!r} does not exist", param_hint="FILE") from None
    return False


def _entry(source: str) -> Any:
    try:
        return {"name": source, "architecture": _document(source)}
    except ServiceError as error:
        return error


def _document(source: str) -> Mapping[str, Any]:
    """As it was written where that is a document: predictors of cells want the cell."""
    from service.cli.reading import read_network
    from service.graph_io.json_writer import graph_document
    from service.graph_io.read import parse_document
    from service.graph_io.sources import read_file

    document = Details().document(source)
    if document is None and Path(source).suffix.lower() == _JSON:
        document = parse_document(read_file(Path(source)))
    return graph_document(read_network(source).graph) if document is None else document
