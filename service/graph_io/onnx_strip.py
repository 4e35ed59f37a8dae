"""An ONNX model without its weights: kilobytes instead of megabytes, and the same network to our reader.

Initializers and Constant nodes keep name, type and dims, and lose their numbers, unless the numbers may say
how the network computes: integers (shapes, axes, indices) and small constants (an exponent, a scale) stay.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableSequence
from typing import Any

from service.errors import InvalidInput

# More numbers than any attribute-like constant has (resize scales: up to 8), fewer than a layer that anyone
# trains.
KEPT_NUMBERS = 16
KEPT_INTEGERS = 4096
MAX_DEPTH = 32  # nesting of subgraphs; protobuf's own reader stops earlier


def strip_onnx(model: Any) -> bytes:
    """The serialised model without weights.

    model: the bytes of a .onnx file, or an onnx.ModelProto (which is not changed). External data are never
        opened.
    Raises InvalidInput for bytes that are no ONNX model.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    if isinstance(model, onnx.ModelProto):
        stripped = onnx.ModelProto()
        _copy_without_weights(model, stripped)
        return bytes(stripped.SerializeToString())
    try:
        parsed = onnx.ModelProto.FromString(bytes(model))
    except DecodeError:
        raise InvalidInput(
            "The file is not an ONNX model: it cannot be parsed.",
            hint="Export it again, or check that it is whole.",
        ) from None
    for tensor in _tensors(parsed.graph):
        _strip(tensor)
    return bytes(parsed.SerializeToString())


def _copy_without_weights(model: Any, target: Any) -> None:
    """Copy a ModelProto without copying its initializers' numbers, which may be gigabytes."""
    for field, value in model.ListFields():
        if field.name != "graph":
            _assign(target, field, value)
    for field, value in model.graph.ListFields():
        if field.name != "initializer":
            _assign(target.graph, field, value)
    for tensor in model.graph.initializer:
        copy = target.graph.initializer.add(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        copy.metadata_props.extend(tensor.metadata_props)
        if _may_matter(tensor):
            copy.CopyFrom(tensor)
    for tensor in _tensors(target.graph):
        _strip(tensor)


def _assign(message: Any, field: Any, value: Any) -> None:
    if isinstance(value, MutableSequence):
        getattr(message, field.name).extend(value)
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(value)
    else:
        setattr(message, field.name, value)


def _tensors(graph: Any, depth: int = 0) -> Iterator[Any]:
    if depth > MAX_DEPTH:
        raise InvalidInput(f"The ONNX model nests subgraphs deeper than {MAX_DEPTH}.")
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _tensors(attribute.g, depth + 1)
            for subgraph in attribute.graphs:
                yield from _tensors(subgraph, depth + 1)


def _may_matter(tensor: Any) -> bool:
    import onnx

    count = 1
    for dim in tensor.dims:
        count *= dim
    integers = (onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.BOOL)
    return count <= KEPT_NUMBERS or (tensor.data_type in integers and count <= KEPT_INTEGERS)


def _strip(tensor: Any) -> None:
    """Drop the numbers of a tensor, and where they lie if they are external."""
    if _may_matter(tensor) and tensor.data_location == 0:
        return
    for field in (
        "raw_data",
        "float_data",
        "double_data",
        "int32_data",
        "int64_data",
        "uint64_data",
        "string_data",
        "external_data",
        "data_location",
    ):
        tensor.ClearField(field)
