"""The bytes of an ONNX file without the numbers of its weights, which are never read: of a file that is
mapped into memory, they are not even loaded from the disk.

What is cut is what `onnx_strip` would take away after the whole model has been parsed, which takes several
times its size in memory.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator

from service.graph_io.onnx_strip import KEPT_INTEGERS

# Field numbers of onnx.proto: the model's graph, its initializers, and the numbers of one.
_PATH = (7, 5)
_NUMBERS = frozenset({4, 5, 7, 9, 10, 11})
# A number takes up to ten bytes: what is longer than this is stripped whatever it holds.
_LONGEST_KEPT_BYTES = 10 * KEPT_INTEGERS
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def outline(data: bytes | mmap.mmap) -> bytes:
    """The model without large numbers in initializers. Bytes that are no message come back as they are, for
    the parser to refuse.
    """
    with memoryview(data) as view:
        try:
            return b"".join(_pieces(view, 0, len(view), _PATH))
        except (ValueError, IndexError):
            return bytes(view)


def _pieces(view: memoryview, start: int, end: int, path: tuple[int, ...]) -> Iterator[bytes]:
    """The message at [start, end), without numbers in the messages that the path leads to."""
    kept = start
    for number, key, first, last in _fields(view, start, end):
        if last - first <= _LONGEST_KEPT_BYTES:
            continue
        if not path and number in _NUMBERS:
            yield bytes(view[kept:key])
            kept = last
        elif path and number == path[0]:
            inner = b"".join(_pieces(view, first, last, path[1:]))
            yield bytes(view[kept:key])
            yield _varint_bytes(number << 3 | _BYTES) + _varint_bytes(len(inner)) + inner
            kept = last
    yield bytes(view[kept:end])


def _fields(view: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, start of the key, start and end of the value) of every field with a length. Raises ValueError
    or IndexError for what is no message.
    """
    position = start
    while position < end:
        key = position
        tag, position = _varint(view, position)
        kind = tag & 7
        if kind == _VARINT:
            _, position = _varint(view, position)
        elif kind == _BYTES:
            length, first = _varint(view, position)
            position = first + length
            if position > end:
                raise ValueError("a field goes beyond its message")
            yield tag >> 3, key, first, position
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("no kind of field")


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    """The number at a position, and where it ends."""
    value = shift = 0
    while True:
        byte = view[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("no number is so long")


def _varint_bytes(value: int) -> bytes:
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)
