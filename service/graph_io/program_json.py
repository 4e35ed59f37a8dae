"""A program as a part of a document of the open JSON format, and back.

    {"calls": [["mul.Tensor", [{"input": true}, {"parameter": "scale"}]], ...], "output": [0, 0],
     "constants": [{"format": "int64", "shape": [49], "data": "(base64 of compressed bytes)"}]}

A call is its function, its arguments, and where it has them its keywords and the path of its batch norm. An
argument is a number, a text, true, false, null, an array of arguments, or one of the objects below.

| object | meaning |
| --- | --- |
| {"input": true} | what the network is called with |
| {"result": [call, place]} | what an earlier call returned |
| {"parameter": name} | a parameter |
| {"constant": index} | a constant |
| {"batch": [each, fixed]} | each * (size of the batch) + fixed |
| {"format": name} | a number format, such as float32 |
| {"number": text} | inf, -inf or nan |
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Mapping
from math import prod
from typing import Any

from service.graph_io.fields import (
    Place,
    kind_of,
    read_choice,
    read_integer,
    read_integers,
    read_list,
    read_object,
    read_text,
)
from service.graph_io.limits import GraphLimits
from service.graph_io.program import (
    Argument,
    BatchCount,
    Call,
    Constant,
    ConstantValue,
    Input,
    NumberFormat,
    ParameterValue,
    Program,
    Result,
)
from service.graph_io.program_functions import MAX_CONSTANT_BYTES

# Bytes of one number, by torch's name of the format.
BYTES_OF = {
    "bool": 1, "uint8": 1, "int8": 1, "int16": 2, "int32": 4, "int64": 8,
    "float16": 2, "bfloat16": 2, "float32": 4, "float64": 8,
}  # fmt: skip
# Of results alone: JSON has no complex constants.
_COMPLEX_FORMATS = ("complex64", "complex128")
_MEMORY_FORMATS = ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")
_NOT_FINITE = ("inf", "-inf", "nan")

# Calls for each node that a graph may have: an operator takes a few.
_CALLS_A_NODE = 10
_MAX_ITEMS = 4096
_MAX_NESTING = 3


def program_document(program: Program) -> dict[str, Any]:
    """The document, made of JSON's own types."""
    document: dict[str, Any] = {
        "calls": [_call_document(call) for call in program.calls],
        "output": [program.output.call, program.output.place],
    }
    if program.constants:
        document["constants"] = [
            {
                "format": constant.number_format,
                "shape": list(constant.shape),
                "data": base64.b64encode(zlib.compress(constant.data)).decode(),
            }
            for constant in program.constants
        ]
    return document


def _call_document(call: Call) -> list[Any]:
    entry: list[Any] = [call.function, [_argument_document(value) for value in call.arguments]]
    if call.keywords or call.batch_norm is not None:
        entry.append({name: _argument_document(value) for name, value in call.keywords})
    if call.batch_norm is not None:
        entry.append(call.batch_norm)
    return entry


def _argument_document(value: Argument) -> Any:
    match value:
        case tuple():
            return [_argument_document(item) for item in value]
        case Input():
            return {"input": True}
        case Result():
            return {"result": [value.call, value.place]}
        case ParameterValue():
            return {"parameter": value.name}
        case ConstantValue():
            return {"constant": value.index}
        case BatchCount():
            return {"batch": [value.each, value.fixed]}
        case NumberFormat():
            return {"format": value.name}
        case float() if not math.isfinite(value):
            return {"number": str(value)}
    return value


def read_program(value: Any, place: Place, limits: GraphLimits) -> Program:
    """Read a program. Which functions run, and with which arguments, is for the executor to say.

    Raises InvalidArchitecture and LimitExceeded, naming the field.
    """
    document = read_object(value, place, required=("calls", "output"), optional=("constants",))
    constants = _constants(document.get("constants", ()), place / "constants", limits)
    most = limits.max_nodes * _CALLS_A_NODE
    entries = read_list(document["calls"], place / "calls", most=most)
    calls = []
    for index, entry in enumerate(entries):
        reader = _Arguments(index, len(constants), limits)
        calls.append(_call(entry, place / "calls" / index, reader))
    output = _Arguments(len(calls), len(constants), limits).result(document["output"], place / "output")
    return Program(tuple(calls), output, constants)


def _call(entry: Any, place: Place, reader: _Arguments) -> Call:
    parts = read_list(entry, place, most=4)
    if len(parts) < 2:
        raise place.refuse(f"{place.named} must be a function and its arguments.")
    keywords = parts[2] if len(parts) > 2 else {}
    if not isinstance(keywords, Mapping):
        raise (place / 2).refuse(f"{(place / 2).named} must be an object, not {kind_of(keywords)}.")
    arguments = read_list(parts[1], place / 1, most=_MAX_ITEMS)
    return Call(
        read_text(parts[0], place / 0),
        tuple(reader.read(item, place / 1 / index) for index, item in enumerate(arguments)),
        tuple(
            (read_text(name, place / 2), reader.read(item, place / 2 / name))
            for name, item in keywords.items()
        ),
        read_text(parts[3], place / 3) if len(parts) > 3 else None,
    )


class _Arguments:
    """Reads arguments of one call.

    calls, constants: how many there are before it.
    """

    def __init__(self, calls: int, constants: int, limits: GraphLimits) -> None:
        self._calls, self._constants, self._limits = calls, constants, limits

    def read(self, value: Any, place: Place, nesting: int = 0) -> Argument:
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, str):
            return read_text(value, place)
        if isinstance(value, int):
            return read_integer(value, place)
        if isinstance(value, list | tuple) and nesting < _MAX_NESTING:
            items = read_list(value, place, most=_MAX_ITEMS)
            return tuple(self.read(item, place / index, nesting + 1) for index, item in enumerate(items))
        if isinstance(value, Mapping) and len(value) == 1:
            ((kind, content),) = value.items()
            return self._object(str(kind), content, place)
        raise place.refuse(
            f"{place.named} is not an argument.", "Give a value, an array or an object with one key."
        )

    def _object(self, kind: str, content: Any, place: Place) -> Argument:
        inside = place / kind
        match read_choice(kind, place, _OBJECTS, what="kind of argument"):
            case "input":
                return Input()
            case "result":
                return self.result(content, inside)
            case "parameter":
                return ParameterValue(read_text(content, inside, max_length=self._limits.max_name_length))
            case "constant":
                return ConstantValue(read_integer(content, inside, least=0, most=self._constants - 1))
            case "batch":
                return BatchCount(*_pair(content, inside))
            case "format":
                formats = (*BYTES_OF, *_COMPLEX_FORMATS, *_MEMORY_FORMATS)
                return NumberFormat(read_choice(content, inside, formats, what="number format"))
        return float(read_choice(content, inside, _NOT_FINITE, what="number"))

    def result(self, value: Any, place: Place) -> Result:
        call, number = _pair(value, place)
        read_integer(call, place / 0, least=0, most=self._calls - 1)
        return Result(call, read_integer(number, place / 1, least=0, most=_MAX_ITEMS))


_OBJECTS = ("input", "result", "parameter", "constant", "batch", "format", "number")


def _pair(value: Any, place: Place) -> tuple[int, int]:
    numbers = read_integers(value, place, most=2)
    if len(numbers) != 2:
        raise place.refuse(f"{place.named} must be two whole numbers.")
    return numbers[0], numbers[1]


def _constants(value: Any, place: Place, limits: GraphLimits) -> tuple[Constant, ...]:
    entries = read_list(value, place, most=limits.max_nodes)
    constants, left = [], MAX_CONSTANT_BYTES
    for index, entry in enumerate(entries):
        constant = _constant(entry, place / index, left, limits)
        left -= len(constant.data)
        constants.append(constant)
    return tuple(constants)


def _constant(entry: Any, place: Place, left: int, limits: GraphLimits) -> Constant:
    fields = read_object(entry, place, required=("format", "shape", "data"))
    number_format = read_choice(fields["format"], place / "format", [*BYTES_OF], what="number format")
    shape = read_integers(fields["shape"], place / "shape", most=limits.max_rank, least_value=0)
    size = prod(shape) * BYTES_OF[number_format]
    if size > left:
        raise (place / "shape").too_long(size, "bytes with the constants before it", MAX_CONSTANT_BYTES)
    text = read_text(fields["data"], place / "data", max_length=limits.max_bytes)
    return Constant(number_format, shape, _decompressed(text, size, place / "data"))


def _decompressed(text: str, size: int, place: Place) -> bytes:
    """Never more than the shape has: a few kilobytes can stand for gigabytes."""
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(base64.b64decode(text, validate=True), size + 1)
    except (binascii.Error, ValueError, zlib.error):
        raise place.refuse(f"{place.named} is not base64 text of compressed bytes.") from None
    if len(data) != size:
        raise place.refuse(f"{place.named} does not have the {size:,} bytes of its shape.")
    return data
