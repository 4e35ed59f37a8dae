"""Counts the messages inside the bytes of an ONNX file before protobuf is asked to build them.

A parsed message takes about 200 bytes of memory and an empty one takes 2 bytes in the file: 10 MB can
become a gigabyte. Walking the wire format costs about a microsecond a field, so the walk goes into details
only where the file has much that is no weight.
"""

from __future__ import annotations

from service.errors import InvalidInput, LimitExceeded
from service.graph_io.limits import GraphLimits

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Field numbers of onnx.proto that hold messages, as {message: {field: message}}; every other field is a leaf.
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "leaf", 14: "leaf", 20: "training", 25: "function", 26: "leaf"},
    "graph": {
        1: "node",
        5: "tensor",
        11: "leaf",
        12: "leaf",
        13: "leaf",
        14: "leaf",
        15: "sparse",
        16: "leaf",
    },
    "node": {1: "leaf", 2: "leaf", 5: "attribute", 9: "leaf"},
    "attribute": {
        5: "tensor",
        6: "graph",
        9: "leaf",
        10: "tensor",
        11: "graph",
        14: "leaf",
        15: "leaf",
        22: "sparse",
        23: "sparse",
    },
    "function": {
        4: "leaf",
        5: "leaf",
        6: "leaf",
        7: "node",
        9: "leaf",
        11: "attribute",
        12: "leaf",
        14: "leaf",
    },
    "sparse": {1: "tensor", 2: "tensor"},
    "training": {1: "graph", 2: "graph", 3: "leaf", 4: "leaf"},
    "tensor": {13: "leaf", 16: "leaf"},
}
_GRAPH_FIELD, _INITIALIZER_FIELD = 7, 5
# Below this a file cannot become more than about 400 MB of messages, whatever is in it.
_HARMLESS_BYTES = 4 * 2**20


def measure(data: bytes, limits: GraphLimits) -> int:
    """Bytes of the file that are structure: everything but the graph's initializers.

    Refuses bytes that are no protobuf message (InvalidInput) or would become too many messages
    (LimitExceeded).
    """
    walker = _Walker(data, budget=25 * limits.max_nodes)
    structure = sum(
        walker.structure(start, end) if field == _GRAPH_FIELD else end - start
        for field, start, end in walker.fields(0, len(data))
    )
    if structure > _HARMLESS_BYTES:
        walker.count("model", 0, len(data))
    return structure


class _Walker:
    def __init__(self, data: bytes, budget: int) -> None:
        self.data, self.budget, self.left = data, budget, budget

    def fields(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """(field number, start, end) of every length-delimited field of the message at [start, end)."""
        data, position, entries, steps = self.data, start, [], 0
        while position < end:
            key, position = self._varint(position, end)
            kind, steps = key & 7, steps + 1
            if steps > self.left:
                raise self._too_many()
            if key < 8:
                raise _no_onnx(f"byte {position} of {len(data)} starts no field")
            if kind == _BYTES:
                length, position = self._varint(position, end)
                if length > end - position:
                    raise _truncated(position)
                entries.append((key >> 3, position, position + length))
                position += length
            elif kind == _VARINT:
                _, position = self._varint(position, end)
            elif kind in (_FIXED64, _FIXED32):
                position += 8 if kind == _FIXED64 else 4
            else:
                raise _no_onnx(f"byte {position} of {len(data)} starts no field")
        if position > end:
            raise _truncated(end)
        return entries

    def structure(self, start: int, end: int) -> int:
        """Bytes of a graph outside of its initializers' values, as far as that is cheap to know."""
        return sum(e - s for field, s, e in self.fields(start, end) if field != _INITIALIZER_FIELD)

    def count(self, message: str, start: int, end: int) -> None:
        stack = [(message, start, end)]
        while stack:
            message, start, end = stack.pop()
            inner = _MESSAGES[message]
            for field, s, e in self.fields(start, end):
                name = inner.get(field)
                if name is None:
                    continue
                self.left -= 1
                if self.left < 0:
                    raise self._too_many()
                if name != "leaf":
                    stack.append((name, s, e))

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while position < end:
            byte = self.data[position]
            position += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, position
            shift += 7
            if shift > 63:
                raise _no_onnx(f"byte {position} of {len(self.data)} ends no number")
        raise _truncated(position)

    def _too_many(self) -> LimitExceeded:
        return LimitExceeded(
            f"The ONNX file has more than {self.budget:,} parts (nodes, attributes, values).",
            limit=self.budget,
            hint="Simplify the model before sending it.",
        )


def _no_onnx(why: str) -> InvalidInput:
    return InvalidInput(
        f"The bytes are not an ONNX model: {why}.", hint="Send the file as the exporter wrote it."
    )


def _truncated(position: int) -> InvalidInput:
    return InvalidInput(
        f"The ONNX file is truncated or is not an ONNX file: a field at byte {position} goes beyond its end.",
        hint="Send the whole file.",
    )
