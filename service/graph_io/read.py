"""The one door for architectures: bytes or a document of any format, to an ArchGraph.

A document is an object whose `format` says which: one of FORMATS. The API, the workers, the command line
and the client all tell formats apart here, and what other code prints (`printed.py`) is understood here.
Readers and their models are imported when they are needed: whoever sends graphs needs no ONNX library in
memory, and the help of the command line not even pydantic.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from service.errors import InvalidArchitecture, InvalidInput
from service.graph_io.archgraph import ArchGraph
from service.graph_io.fields import Place, closest, kind_of, shown
from service.graph_io.formats import FORMATS
from service.graph_io.json_text import parse_json
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits
from service.graph_io.printed import plain_document
from service.graph_io.torchvision_names import check_name
from service.kit.references import resolve

if TYPE_CHECKING:
    from service.graph_io.references import TorchvisionDocument

# A brace or a bracket behind byte order marks and blanks, nothing but blanks, or UTF-16: none of these bytes
# opens an ONNX file, for as protobuf tags they stand for fields and types that ONNX does not have.
_LOOKS_LIKE_TEXT = re.compile(rb"\xff\xfe|\xfe\xff|(?:\xef\xbb\xbf)?[ \t\r\n]*+(?:[{\[]|\Z)")


def sniff(data: bytes) -> Literal["onnx", "json"]:
    """What the bytes of a file are to be read as. Empty ones are text; what is neither is left to the ONNX
    reader, which says what it may be.
    """
    return "json" if _LOOKS_LIKE_TEXT.match(data) else "onnx"


def format_of(document: Any) -> str:
    """The format that a document names; "graph" if it has nodes and names none, "" if it says nothing."""
    if not isinstance(document, Mapping):
        return ""
    name = document.get("format", "graph" if "nodes" in document else "")
    return name if isinstance(name, str) else ""


def parse_document(data: bytes, *, limits: GraphLimits = DEFAULT_LIMITS) -> dict[str, Any]:
    """The document in a JSON file. Its fields are not checked.

    Raises what `parse_json` raises, and InvalidInput if the JSON is no object.
    """
    document = parse_json(data, limits=limits)
    if not isinstance(document, dict):
        raise InvalidInput(
            f"The JSON text holds {kind_of(document)}, where an architecture was expected.",
            hint='An architecture is an object, such as {"format": "graph", "nodes": [...]}.',
        )
    return document


def read_document(
    document: Mapping[str, Any] | bytes,
    *,
    limits: GraphLimits = DEFAULT_LIMITS,
    isolate: bool = False,
    torchvision: bool = False,
    runnable: bool = False,
) -> ArchGraph:
    """Read an architecture: a document, or the bytes of a file that holds one or is an ONNX model.

    isolate: read ONNX files of strangers apart from this process where they could harm it. torchvision: build
    networks of torchvision here, which takes torch; without it that format is refused. runnable: record the
    programs of networks of torchvision and of ONNX files, for whoever runs them; that takes torch, too.

    Raises InvalidInput, InvalidArchitecture, UnsupportedOperator or LimitExceeded, naming the field.
    """
    if isinstance(document, bytes):
        if sniff(document) == "onnx":
            return _read_onnx(document, limits, isolate, runnable)
        document = parse_document(document, limits=limits)
    if not isinstance(document, Mapping):
        raise InvalidArchitecture(f"An architecture must be an object, not {kind_of(document)}.", field="")
    plain: Mapping[str, Any] = plain_document(document)
    match format_of(plain):
        case "onnx":
            return _read_onnx(onnx_data(plain, limits=limits), limits, isolate, runnable)
        case "torchvision":
            return _trace_torchvision(plain, limits, here=torchvision, runnable=runnable)
        case name if name in FORMATS:
            return _reader(name)(plain, limits=limits)
    raise _unknown_format(plain)


def onnx_data(document: Mapping[str, Any], *, limits: GraphLimits = DEFAULT_LIMITS) -> bytes:
    """The ONNX file in a document of that format, which holds it as base64 text."""
    from service.graph_io.document_model import read_model
    from service.graph_io.references import OnnxDocument

    text, most = read_model(OnnxDocument, document).data, limits.max_bytes * 4 // 3 + 4
    if len(text) > most:
        raise (Place() / "data").too_long(len(text), "characters", most)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(
            "/data is not base64 text.", field="/data", hint="Encode the ONNX file as base64."
        ) from None


def _unknown_format(document: Mapping[str, Any]) -> InvalidArchitecture:
    name = document.get("format")
    like = closest(name, FORMATS) if isinstance(name, str) else None
    sentence = "The architecture lacks its format." if name is None else f"There is no format {shown(name)}."
    suggestion = f"Did you mean {like!r}? " if like else ""
    return InvalidArchitecture(
        sentence, field="/format", hint=f"{suggestion}Give `format` as one of: {', '.join(FORMATS)}."
    )


class _Reader(Protocol):
    def __call__(self, document: Mapping[str, Any], *, limits: GraphLimits) -> ArchGraph: ...


def _reader(name: str) -> _Reader:
    """Raises KeyError for a format that is read otherwise."""
    row = FORMATS[name]
    if row.reader is None:
        raise KeyError(name)
    reader: _Reader = resolve(row.reader)
    return reader


def _read_onnx(data: bytes, limits: GraphLimits, isolate: bool, runnable: bool) -> ArchGraph:
    if isolate:
        from service.graph_io.sandbox import read_onnx_isolated

        graph = read_onnx_isolated(data, limits)
    else:
        from service.graph_io.onnx_reader import read_onnx

        graph = read_onnx(data, limits=limits)
    if runnable:
        from service.graph_io.torch_tracing.onnx_programs import with_program

        return with_program(graph, data, limits)
    return graph


def read_torchvision(document: Mapping[str, Any]) -> TorchvisionDocument:
    """What a document of that format says; nothing is built. Raises InvalidArchitecture, naming the field."""
    from service.graph_io.document_model import read_model
    from service.graph_io.references import TorchvisionDocument

    return read_model(TorchvisionDocument, document)


def _trace_torchvision(
    document: Mapping[str, Any], limits: GraphLimits, *, here: bool, runnable: bool
) -> ArchGraph:
    network = read_torchvision(document)
    if not here:
        raise InvalidArchitecture(
            "Networks of torchvision are built where torch is installed, which is not here.",
            field="/format",
            hint="Trace the model and send its graph, or install the extra `models`.",
        )
    check_name(network.name)
    from service.graph_io.torch_tracer import trace_torchvision

    return trace_torchvision(
        network.name,
        num_classes=network.num_classes,
        image_size=network.image_size,
        limits=limits,
        runnable=runnable,
    )
