"""What a caller may pass as an architecture, and what is sent for it: always kilobytes, never weights."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from service.client._errors import refusal
from service.client._written import to_json, written
from service.errors import InvalidInput, InvalidRequest, ServiceError
from service.graph_io.archgraph import ArchGraph
from service.graph_io.limits import DEFAULT_LIMITS
from service.kit.json_types import JsonObject

if TYPE_CHECKING:
    import onnx
    import torch

Architecture: TypeAlias = (
    "torch.nn.Module | onnx.ModelProto | ArchGraph | Mapping[str, Any] | str | PathLike[str] | bytes"
)
OnnxSource: TypeAlias = "bytes | Path | onnx.ModelProto"

# The caller's own files are bounded by the caller's memory; what may be sent is for the service to say.
_OWN = replace(DEFAULT_LIMITS, max_bytes=sys.maxsize)


@dataclass(frozen=True, slots=True)
class Encoded:
    """document: the tagged union that requests take. text: its JSON, where that is written already.
    source_onnx: where the whole ONNX model is, for filling in the predicted weights later.
    """

    document: Mapping[str, Any]
    source_onnx: OnnxSource | None = None
    text: str | None = None

    @property
    def json(self) -> str:
        return to_json(self.document) if self.text is None else self.text


def encode(
    architecture: Architecture,
    *,
    input_shape: Sequence[int] | None = None,
    example: Any = None,
    name: str | None = None,
    runnable: bool = False,
) -> Encoded:
    """Turn what the caller has into what is sent.

    architecture: a torch module (traced here, once while it stays as it is), an ONNX model (ModelProto,
        bytes, or the path of a .onnx file), the path of a .json file, an architecture object of the HTTP
        interface or a graph in the open JSON format, an ArchGraph, or a SOURCE text of the command line
        ("torchvision:resnet50", "nasbench201:|...|", "nets.jsonl:3").
    input_shape: of one input without the batch axis; for torch modules whose input cannot be guessed.
    example: what a torch module is called with: a tensor, a tuple of arguments or a dictionary of keyword
        arguments; for modules with several inputs, or whose input is no array of floating point numbers. It
        stays here.
    runnable: send the program of a torch module too, so that the service can run it. It holds the values of
        buffers, and of parameters that are kept as they are.

    Raises ApiError subclasses, with the same problem documents as the service's, for what cannot be read.
    """
    try:
        encoded = _encode(
            architecture, None if input_shape is None else tuple(input_shape), example, runnable
        )
    except ServiceError as error:
        raise refusal(error.problem()) from error
    # In the torchvision format, the name says which network.
    if name is not None and encoded.document.get("format") != "torchvision":
        encoded = Encoded({**encoded.document, "name": name}, encoded.source_onnx)
    return encoded


def _encode(architecture: Any, input_shape: tuple[int, ...] | None, example: Any, runnable: bool) -> Encoded:
    if _is_torch_module(architecture):
        from service.graph_io.torch_tracer import trace, trace_once

        if example is None and not runnable:
            known = written(trace_once(architecture, input_shape=input_shape))
            return Encoded(known.document, text=known.text)
        graph = trace(architecture, input_shape=input_shape, example=example, runnable=runnable)
        return Encoded(_graph_document(graph))
    if isinstance(architecture, ArchGraph):
        return Encoded(_graph_document(architecture))
    if isinstance(architecture, Mapping):
        return _from_mapping(architecture)
    if isinstance(architecture, bytes | bytearray | memoryview):
        return _from_bytes(bytes(architecture))
    if isinstance(architecture, PathLike):
        return _from_file(Path(architecture))
    if isinstance(architecture, str):
        return _from_text(architecture)
    if type(architecture).__name__ == "ModelProto":
        return _from_onnx(architecture)
    raise InvalidRequest(
        f"A {type(architecture).__name__} is not an architecture.",
        hint="Pass a torch module, an ONNX model or path, an architecture object or a source text.",
    )


def is_one(candidate: Any) -> bool:
    """Whether this is one architecture, though one can iterate over some: a module over its layers, a text
    over its letters.
    """
    kinds = (ArchGraph, Mapping, bytes, bytearray, memoryview, PathLike, str)
    return _is_torch_module(candidate) or isinstance(candidate, kinds) or not isinstance(candidate, Iterable)


def _is_torch_module(candidate: Any) -> bool:
    """Without importing torch: a module can only exist where its owner has imported it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(candidate, torch.nn.Module)


def _graph_document(graph: ArchGraph) -> JsonObject:
    from service.graph_io.json_writer import graph_document

    return graph_document(graph)


def _from_mapping(document: Mapping[str, Any]) -> Encoded:
    from service.graph_io.read import format_of, onnx_data

    name = format_of(document)
    if name == "onnx" and "data" in document:
        return _from_onnx(onnx_data(document, limits=_OWN), others=document)
    return Encoded({"format": name, **document} if name else document)


def _from_text(text: str) -> Encoded:
    from service.graph_io.sources import parse_source, read_listed

    source = parse_source(text)
    if source.document is not None:
        return Encoded(source.document)
    if source.path is not None and source.line is not None:
        return _from_mapping(read_listed(source.path, source.line))
    if source.path is not None:
        return _from_file(source.path)
    raise InvalidInput("The client does not read standard input.", hint="Read it, and pass the bytes.")


def _from_file(path: Path) -> Encoded:
    from service.graph_io.sources import read_outline

    encoded = _from_bytes(read_outline(path))
    if encoded.source_onnx is None:
        return encoded
    # What is inside of exported files is called after the exporter, if at all; a name may be no text.
    name = path.name.encode(errors="replace").decode()
    return Encoded({**encoded.document, "name": name}, path)


def _from_bytes(data: bytes) -> Encoded:
    from service.graph_io.read import parse_document, sniff

    if sniff(data) == "onnx":
        return _from_onnx(data)
    return _from_mapping(parse_document(data, limits=_OWN))


def _from_onnx(model: bytes | onnx.ModelProto, *, others: Mapping[str, Any] | None = None) -> Encoded:
    from service.graph_io.onnx_strip import strip_onnx

    data = base64.b64encode(strip_onnx(model)).decode()
    return Encoded({**(others or {}), "format": "onnx", "data": data}, model)


def onnx_file(source: OnnxSource) -> tuple[bytes, Path | None]:
    """The whole ONNX model, and the folder of its external data if it is a file.

    Raises InvalidInput if it cannot be had as one piece.
    """
    if isinstance(source, bytes):
        return source, None
    if isinstance(source, Path):
        from service.graph_io.sources import read_file

        return read_file(source), source.parent
    try:
        return bytes(source.SerializeToString()), None
    except ValueError as error:
        raise InvalidInput(f"The ONNX model cannot be serialised: {error}.") from error
