"""Bytes to an ONNX model. Nothing but the bytes is read: external data is never opened."""

from __future__ import annotations

import onnx
from google.protobuf.message import DecodeError

from service.errors import InvalidArchitecture, InvalidInput, LimitExceeded
from service.graph_io.limits import GraphLimits
from service.graph_io.onnx.wire import measure

# What people send by mistake, told apart by the first bytes.
_OTHER_FORMATS = (
    (
        b"PK\x03\x04",
        "a zip archive, perhaps a PyTorch checkpoint",
        "Export the network with torch.onnx.export.",
    ),
    (b"\x1f\x8b", "gzip-compressed", "Decompress it first."),
    (b"\x80\x02", "a pickle", "Export the network with torch.onnx.export."),
    (b"\x89HDF", "an HDF5 file, perhaps a Keras model", "Export the network with tf2onnx."),
    (b"{", "JSON", "Send JSON graphs as application/json."),
    (b"<", "a web page or XML", "Send the model file itself."),
)


def load(data: bytes, limits: GraphLimits) -> onnx.ModelProto:
    """Parse the bytes of an ONNX file.

    Raises InvalidInput (empty, truncated, something else), LimitExceeded (bytes, or parts once parsed), and
    InvalidArchitecture (a model without nodes).
    """
    refuse_obvious(data, limits)
    measure(data, limits)
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise InvalidInput(
            "The bytes are not an ONNX model: protobuf could not decode them "
            "(truncated, nested too deeply, or no ONNX at all).",
            hint="Send the file as the exporter wrote it.",
        ) from error
    if not model.HasField("graph"):
        raise InvalidInput("The bytes hold no ONNX graph.", hint="Send the file as the exporter wrote it.")
    if not model.graph.node:
        raise InvalidArchitecture(
            "The ONNX graph has no nodes.", hint="Export a network with at least one layer."
        )
    return model


def refuse_obvious(data: bytes, limits: GraphLimits) -> None:
    """Refuse what needs no parsing to be told: nothing, too much, another format."""
    if not data:
        raise InvalidInput("The ONNX file is empty.", hint="Send the bytes of an .onnx file.")
    if len(data) > limits.max_bytes:
        raise LimitExceeded(
            f"The ONNX file has {len(data):,} bytes, the limit is {limits.max_bytes:,}.",
            limit=limits.max_bytes,
            value=len(data),
            hint="Weights are not needed: send the model without their values.",
        )
    for magic, what, hint in _OTHER_FORMATS:
        if data.startswith(magic):
            raise InvalidInput(f"The bytes are not an ONNX model; they look like {what}.", hint=hint)
