"""Tensors of the file: what may be a parameter, and the few small values that say how the network computes.

Values are read only from small tensors (shapes, axes, scalars). No tensor is ever allocated from its
declared size.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from service.errors import InvalidArchitecture, LimitExceeded
from service.graph_io.limits import GraphLimits

# Larger than any list of axes, smaller than any layer worth the name.
MAX_KNOWN_VALUES = 64
# An index may be that long; what is computed from constants is not.
MAX_KNOWN_INTEGERS = 4096

NUMPY_TYPES: dict[int, np.dtype[Any]] = {
    TensorProto.FLOAT: np.dtype("<f4"),
    TensorProto.DOUBLE: np.dtype("<f8"),
    TensorProto.FLOAT16: np.dtype("<f2"),
    TensorProto.INT8: np.dtype("i1"),
    TensorProto.UINT8: np.dtype("u1"),
    TensorProto.INT16: np.dtype("<i2"),
    TensorProto.UINT16: np.dtype("<u2"),
    TensorProto.INT32: np.dtype("<i4"),
    TensorProto.UINT32: np.dtype("<u4"),
    TensorProto.INT64: np.dtype("<i8"),
    TensorProto.UINT64: np.dtype("<u8"),
    TensorProto.BOOL: np.dtype("?"),
}
_FLOATS = frozenset(
    {
        TensorProto.FLOAT,
        TensorProto.DOUBLE,
        TensorProto.FLOAT16,
        TensorProto.BFLOAT16,
        TensorProto.FLOAT8E4M3FN,
        TensorProto.FLOAT8E4M3FNUZ,
        TensorProto.FLOAT8E5M2,
        TensorProto.FLOAT8E5M2FNUZ,
    }
)
REAL_TYPES = frozenset({TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16})
_INTEGER_WEIGHTS = frozenset(
    {TensorProto.INT8, TensorProto.UINT8, TensorProto.INT4, TensorProto.UINT4, TensorProto.INT16}
)
# Biases of quantised layers; everything else of this type counts or points.
WIDE_INTEGER = TensorProto.INT32
_TYPED_FIELDS = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.INT64: "int64_data",
    TensorProto.UINT64: "uint64_data",
    TensorProto.UINT32: "uint64_data",
    TensorProto.INT32: "int32_data",
    TensorProto.INT16: "int32_data",
    TensorProto.INT8: "int32_data",
    TensorProto.UINT16: "int32_data",
    TensorProto.UINT8: "int32_data",
    TensorProto.BOOL: "int32_data",
}


class Origin(Enum):
    """How the file holds a tensor."""

    INITIALIZER = auto()
    INPUT = auto()  # a graph input that is used as a weight
    CONSTANT = auto()  # Constant node
    FILLED = auto()  # ConstantOfShape node
    INNER = auto()  # inside a subgraph


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A tensor that the file brings, by the name under which the network reads it.

    kind: "PARAMETER" or "BUFFER" where the exporter says so, else "".
    named: whether a module would have the name, as far as the file tells.
    in_module: whether the name is certainly that of a module's tensor.
    """

    name: str
    shape: tuple[int, ...]
    data_type: int
    origin: Origin
    kind: str = ""
    named: bool = True
    in_module: bool = False

    @property
    def numel(self) -> int:
        return prod(self.shape)

    @property
    def is_float(self) -> bool:
        return self.data_type in _FLOATS

    @property
    def is_quantized(self) -> bool:
        return self.data_type in _INTEGER_WEIGHTS or self.data_type == WIDE_INTEGER


def checked_dims(tensor: TensorProto, name: str, limits: GraphLimits) -> tuple[int, ...]:
    """The declared shape. A constant may be empty (0); nothing may be negative, or have more axes than a
    tensor should.

    Parameters are held to stricter limits later (`checks.check_shape`).
    """
    if len(tensor.dims) > 4 * limits.max_rank:
        raise LimitExceeded(
            f"The tensor {name!r} has {len(tensor.dims)} axes, the limit is {limits.max_rank}.",
            limit=limits.max_rank,
            value=len(tensor.dims),
            node=name,
        )
    dims = tuple(tensor.dims)
    if any(dim < 0 for dim in dims):
        raise InvalidArchitecture(
            f"The tensor {name!r} has the shape {list(dims)}; a dimension cannot be negative.",
            node=name,
            hint="Give a fixed, positive size.",
        )
    return dims


def small_values(tensor: TensorProto) -> NDArray[Any] | None:
    """Values of a small tensor, None if it is large, stripped, external or malformed."""
    dtype = NUMPY_TYPES.get(tensor.data_type)
    if dtype is None or tensor.data_location == TensorProto.EXTERNAL or any(dim < 0 for dim in tensor.dims):
        return None
    count = prod(tensor.dims)
    if count > (MAX_KNOWN_INTEGERS if dtype.kind in "iu" else MAX_KNOWN_VALUES):
        return None
    if tensor.HasField("raw_data"):
        raw = tensor.raw_data
        if len(raw) != count * dtype.itemsize:
            return None
        values: NDArray[Any] = np.frombuffer(raw, dtype)
        return values.reshape(tuple(tensor.dims))
    typed = _TYPED_FIELDS.get(tensor.data_type)
    if typed is None:
        return None
    numbers = getattr(tensor, typed)
    if len(numbers) != count:
        return None
    # Out-of-range numbers in a narrow type wrap: they come from a malformed file and steer nothing.
    wide = np.array(
        numbers, dtype=np.float64 if dtype.kind == "f" else np.int64 if typed != "uint64_data" else np.uint64
    )
    return wide.astype(dtype).reshape(tuple(tensor.dims))


def exporter_kinds(graph: onnx.GraphProto) -> dict[str, str]:
    """What PyTorch's newer exporter says about its inputs: {tensor name: "PARAMETER" | "BUFFER" | ...}."""
    key = "pkg.torch.export.graph_signature.InputSpec.kind"
    kinds: dict[str, str] = {}
    for value in (*graph.value_info, *graph.input, *graph.initializer):
        for entry in value.metadata_props:
            if entry.key == key:
                kinds[value.name] = entry.value
    return kinds
