"""ONNX operators that own no parameters, and what they are in our table. The others are in `weighted.py`.

Everything of the ONNX standard that is in no table here is a function of its inputs: "unary" of one,
    "merge" of several.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import onnx

from service.errors import InvalidArchitecture, UnsupportedOperator
from service.graph_io.archgraph import AttrValue
from service.graph_io.onnx.draft import Draft
from service.graph_io.onnx.flatten import Op
from service.graph_io.onnx.shapes import per_axis, spatial_pads, squeeze_axes
from service.graph_io.onnx.tensors import REAL_TYPES
from service.graph_io.onnx.values import Value

Attributes = dict[str, AttrValue]

ACTIVATIONS = {
    "Relu": "relu",
    "LeakyRelu": "leaky_relu",
    "Elu": "elu",
    "Selu": "selu",
    "Celu": "celu",
    "Gelu": "gelu",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hardsigmoid",
    "HardSwish": "hardswish",
    "Swish": "silu",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Mish": "mish",
    "ThresholdedRelu": "threshold",
    "Shrink": "shrink",
    "ScaledTanh": "scaled_tanh",
    "ParametricSoftplus": "softplus",
}

# Their results are whole numbers, or true and false; "Integers" is an input of such.
_WHOLE = frozenset(
    "Integers ArgMax ArgMin IsNaN Not Equal Less Greater LessOrEqual GreaterOrEqual And Or Xor".split()
)
_CLIPS = {(0.0, 6.0): "relu6", (0.0, 1.0): "clip01", (-1.0, 1.0): "hardtanh"}

# Of one tensor they are that tensor.
JOINING = frozenset({"Concat", "Sum", "Mean", "Max", "Min"})

# The result is the input, as far as a network's architecture goes.
PASSED_ON = frozenset(
    {"Identity", "Cast", "CastLike", "Dropout", "QuantizeLinear", "DequantizeLinear", "BitCast"}
)



def changes_nothing(op: Op, draft: Draft) -> bool:
    """Whether an operation that is passed over leaves the numbers as they are: casts to whole numbers cut,
    quantisation rounds.
    """
    if op.type == "Cast":
        return op.attrs.get("to") in REAL_TYPES or draft.kind in _WHOLE
    return op.type in ("Identity", "Dropout", *JOINING)


# Their result does not depend on the values of their inputs, or does not carry the network's signal.
ALWAYS_FIXED = frozenset(
    {
        "Shape",
        "Size",
        "ConstantOfShape",
        "EyeLike",
        "RandomNormalLike",
        "RandomUniformLike",
        "RandomNormal",
        "RandomUniform",
    }
)

# Only the first input carries the signal; the others say how.
FIRST_ONLY = PASSED_ON | frozenset(
    "Reshape Slice Pad Resize Upsample Expand Tile Squeeze Unsqueeze Flatten Clip Split SplitToSequence "
    "Transpose TopK Trilu CumSum ReduceMean ReduceSum ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceProd "
    "ReduceSumSquare ReduceLogSum ReduceLogSumExp DynamicQuantizeLinear CenterCropPad OneHot".split()
)

ELEMENTWISE = frozenset(
    "Add Sub Mul Div Pow Mod Min Max Sum Mean Where And Or Xor Equal Less Greater LessOrEqual "
    "GreaterOrEqual BitShift BitwiseAnd BitwiseOr BitwiseXor".split()
)

# Operators of early ONNX versions that today's definitions no longer list.
_RETIRED = frozenset(
    "ATen Affine ConstantFill Crop DynamicSlice GRUUnit GivenTensorFill ImageScaler LayerNorm "
    "ParametricSoftplus Scale ScaledTanh SpatialBN".split()
)


@cache
def _least_inputs() -> dict[tuple[str, str], int]:
    """{(domain, name): the fewest inputs in any version} of every operator of the standard."""
    least: dict[tuple[str, str], int] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        key = (schema.domain, schema.name)
        least[key] = min(schema.min_input, least.get(key, schema.min_input))
    return least


def check_operator(op: Op) -> None:
    """Raises UnsupportedOperator if no version of the ONNX standard has the operator, InvalidArchitecture if
    it lacks inputs.
    """
    least = _least_inputs().get((op.domain, op.type))
    if least is None and (op.domain or op.type not in _RETIRED):
        raise UnsupportedOperator(
            f"Node {op.where!r} uses {op.type!r}, which is no operator of ONNX.",
            operator=op.type,
            node=op.where,
            hint="Export with standard ONNX operators only.",
        )
    if len(op.inputs) < (least or 0):
        raise InvalidArchitecture(
            f"Node {op.where!r} ({op.type}) has {len(op.inputs)} inputs, it needs {least} or more.",
            node=op.where,
        )


def _per_axis(op: Op, values: list[Value]) -> Attributes:
    kernel = op.attrs.get("kernel_shape")
    if not kernel:
        return {}
    rank = len(kernel)
    shape = values[0].shape
    begin, end = spatial_pads(
        op, rank, kernel, shape[2:] if shape is not None and len(shape) == rank + 2 else None
    )
    return {
        "kernel_size": kernel,
        "stride": per_axis(op, "strides", rank, 1),
        # Windows that are padded on one side only count as padded there on both.
        "padding": tuple(max(pair) for pair in zip(begin, end, strict=True)),
        "ceil_mode": bool(op.attrs.get("ceil_mode", 0)),
    }


def _average(op: Op, values: list[Value]) -> Attributes:
    return {**_per_axis(op, values), "count_include_pad": bool(op.attrs.get("count_include_pad", 0))}


def _max(op: Op, values: list[Value]) -> Attributes:
    attrs = _per_axis(op, values)
    dilation = op.attrs.get("dilations")
    return {**attrs, "dilation": dilation} if dilation and max(dilation) > 1 else attrs


def _reshape(op: Op, values: list[Value]) -> Attributes:
    target = op.attrs.get("shape") or (values[1].ints() if len(values) > 1 else None)
    return {} if target is None else {"shape": tuple(target)}


def _permute(op: Op, values: list[Value]) -> Attributes:
    return {"axes": tuple(op.attrs["perm"])} if "perm" in op.attrs else {}


def _squeeze(op: Op, values: list[Value]) -> Attributes:
    axes = squeeze_axes(op, values)
    return {"kind": op.type.lower(), **({} if axes is None else {"axes": tuple(axes)})}


def _kind(op: Op, values: list[Value]) -> Attributes:
    return {"kind": op.type.lower()}


def _none(op: Op, values: list[Value]) -> Attributes:
    return {}


def _axis(default: int) -> Callable[[Op, list[Value]], Attributes]:
    return lambda op, values: {"axis": int(op.attrs.get("axis", default))}


def _flatten(op: Op, values: list[Value]) -> Attributes:
    return {"start_axis": int(op.attrs.get("axis", 1))}


def _pad(op: Op, values: list[Value]) -> Attributes:
    pads = op.attrs.get("pads") or op.attrs.get("paddings") or (values[1].ints() if len(values) > 1 else None)
    mode = op.attrs.get("mode", "constant")
    return {"mode": mode, **({} if pads is None else {"pads": tuple(pads)})}


def _slice(op: Op, values: list[Value]) -> Attributes:
    if op.type == "Gather":
        index = values[1].ints() if len(values) > 1 else None
        return {
            "kind": "gather",
            "axis": int(op.attrs.get("axis", 0)),
            **({} if index is None else {"index": index}),
        }
    names = ("starts", "ends", "axes", "steps")
    attrs: Attributes = {}
    for place, name in enumerate(names, start=1):
        found = op.attrs.get(name) or (values[place].ints() if len(values) > place else None)
        if found:
            attrs[name] = tuple(found)
    return attrs


# ONNX operator -> (our operator, its attributes). All read one tensor.
SIMPLE: dict[str, tuple[str, Callable[[Op, list[Value]], Attributes]]] = {
    "MaxPool": ("max_pool", _max),
    "AveragePool": ("avg_pool", _average),
    "LpPool": ("avg_pool", _average),
    "GlobalAveragePool": ("global_avg_pool", _none),
    "GlobalLpPool": ("global_avg_pool", _none),
    "GlobalMaxPool": ("global_max_pool", _none),
    "Softmax": ("softmax", _axis(-1)),
    "LogSoftmax": ("softmax", _axis(-1)),
    "Hardmax": ("softmax", _axis(-1)),
    "Flatten": ("flatten", _flatten),
    "Reshape": ("reshape", _reshape),
    "Squeeze": ("reshape", _squeeze),
    "Unsqueeze": ("reshape", _squeeze),
    "Expand": ("unary", _kind),
    "Transpose": ("permute", _permute),
    "Slice": ("slice", _slice),
    "DynamicSlice": ("slice", _none),
    "Split": ("split", _axis(0)),
    "Pad": ("pad", _pad),
    "Resize": ("resize", _none),
    "Upsample": ("resize", _none),
    "DepthToSpace": ("unary", _kind),
    "SpaceToDepth": ("unary", _kind),
}


def clip_kind(op: Op, values: list[Value]) -> str:
    low, high = op.attrs.get("min"), op.attrs.get("max")
    if len(values) > 1 and low is None:
        low = values[1].scalar()
    if len(values) > 2 and high is None:
        high = values[2].scalar()
    if low is None or high is None:
        return "clip"
    return _CLIPS.get((float(low), float(high)), "clip")


def heads(op: Op, values: list[Value]) -> dict[str, AttrValue]:
    heads = op.attrs.get("q_num_heads") or op.attrs.get("num_heads")
    shape = values[0].shape
    if heads is None and shape is not None and len(shape) == 4:
        heads = shape[1]
    return {} if heads is None else {"heads": int(heads)}


def covers_all(op: Op, values: list[Value]) -> bool:
    """Whether a pooling sees everything at once, or is what an adaptive pooling of fitting size becomes (1x1
    windows).
    """
    kernel, shape = op.attrs.get("kernel_shape", ()), values[0].shape
    if not kernel:
        return False
    if all(size == 1 for size in kernel) and all(stride == 1 for stride in op.attrs.get("strides", (1,))):
        return True
    return (
        shape is not None
        and len(shape) == len(kernel) + 2
        and tuple(shape[2:]) == tuple(kernel)
        and max(kernel) > 1
    )


def adaptive(op: Op, values: list[Value]) -> dict[str, AttrValue]:
    shape = values[0].shape
    if (
        all(size == 1 for size in op.attrs["kernel_shape"])
        and shape is not None
        and len(shape) > 2
        and None not in shape[2:]
    ):
        return {"output_size": tuple(int(dim or 1) for dim in shape[2:])}
    return {}


def spatial(axes: tuple[int, ...], rank: int | None) -> bool:
    """Whether these are all axes of positions of (N, C, H, W), (N, H, W, C) and their 3-D kin."""
    if rank is None:
        return axes in ((2, 3), (-2, -1), (1, 2))
    return rank > 3 and axes in (tuple(range(2, rank)), tuple(range(1, rank - 1)))
