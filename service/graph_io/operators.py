"""The one table of operators.

A reader translates its format's operators to these names; everything behind the readers knows only these.
A row says which GHN primitive an operator is (GHN-2 paper, table 1), which parameters it may own, how many
inputs it takes, and which attributes it has (`attributes.py` explains how they are written). `digest.py`, the
executor and the cost model read attributes from here.

Axes count from 0, the batch axis included; -1 is the last one. Features are (N, C, *positions), tokens (N,
L, C).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from service.graph_io.attributes import APPROXIMATE, EXIT, RESOLUTION, Attribute, attributes


class Primitive(IntEnum):
    """GHN node types, in checkpoint order."""

    MAX_POOL = 0
    AVG_POOL = 1
    SEP_CONV = 2
    DIL_CONV = 3
    CONV = 4
    MSA = 5
    CSE = 6
    SUM = 7
    CONCAT = 8
    INPUT = 9
    BIAS = 10
    BN = 11
    LN = 12
    POS_ENC = 13
    GLOB_AVG = 14


@dataclass(frozen=True, slots=True)
class Operator:
    """primitive: None means the node is dropped and its neighbours are joined.

    roles: parameter roles it may own; ("*",) accepts any.
    inputs: (least, most) number of inputs; most is None where any number goes.
    attributes: what it may carry, with defaults. An operator with a `kind` has the arguments of that function
    as well (`functions.py`).
    """

    name: str
    primitive: Primitive | None
    roles: tuple[str, ...]
    inputs: tuple[int, int | None]
    summary: str
    attributes: tuple[Attribute, ...] = ()


_WEIGHT_BIAS = ("weight", "bias")
_ONE, _ANY, _SOURCE = (1, 1), (1, None), (0, 0)
_COMMON = attributes(f"{APPROXIMATE}: text = None, {RESOLUTION}: integer = None, {EXIT}: flag = False")

# padding_end: behind the last position of an axis, where it differs from what stands before the first.
_WINDOW = "stride: axes = {stride}, padding: axes = 0, padding_end: axes = None, dilation: axes = 1"
# parts: input channels of each source that is joined for it, where a GHN may decode its weight edge by edge.
_CONV = _WINDOW.format(stride=1) + ", groups: integer = 1, parts: integers = None"
_TRANSPOSED = (
    "stride: axes = 1, padding: axes = 0, output_padding: axes = 0, dilation: axes = 1, groups: integer = 1"
)
# Without a stride, windows lie side by side.
_POOL = "kernel_size: axes, " + _WINDOW.format(stride=None) + ", ceil_mode: flag = False"
_AVERAGE = (
    "kernel_size: axes, stride: axes = None, padding: axes = 0, padding_end: axes = None, "
    "ceil_mode: flag = False, count_include_pad: flag = True, divisor: integer = None"
)
# shape: of the parameter where it meets the features, if that is not its own (they broadcast as in torch).
_PLACED = "shape: integers = None, kind: text = None"

_ATTRIBUTES: dict[str, str] = {
    "input": "shape: integers = None",
    "conv": _CONV,
    "conv_transpose": _TRANSPOSED,
    # axes: how many last axes are normalised together; axis 1 instead: the channels at every position.
    "layer_norm": "eps: number = 1e-5, axis: integer = -1, axes: integer = 1",
    "rms_norm": "eps: number = 1.1920928955078125e-07, axis: integer = -1, axes: integer = 1",
    "batch_norm": "eps: number = 1e-5",
    "instance_norm": "eps: number = 1e-5",
    "group_norm": "eps: number = 1e-5, groups: integer",
    "bias": _PLACED,
    "position": _PLACED,
    "class_token": _PLACED,
    "layer_scale": _PLACED,
    "relative_position": _PLACED,
    "parameter": _PLACED,
    "embedding": "kind: text = None",
    "recurrent": "kind: text = None, hidden_size: integer = None, direction: text = None",
    "max_pool": _POOL,
    "avg_pool": _AVERAGE,
    # keepdims False drops the axes of positions.
    "global_avg_pool": "output_size: axes = 1, keepdims: flag = True",
    "global_max_pool": "output_size: axes = 1, keepdims: flag = True",
    # Inputs: one node with queries, keys and values joined along the last axis, or three nodes, and behind
    # them what is added to the scores. layout: tokens (N, L, C) of `heads` heads side by side, or heads
    # (N, heads, L, C). keys_transposed: the keys are (N, heads, C, L). scale: factor of the scores, 1 /
    # sqrt(C) without one.
    "attention": (
        "heads: integer = 1, layout: text = tokens, keys_transposed: flag = False, scale: number = None, "
        "causal: flag = False, zero_attention: flag = False, batch_first: flag = True"
    ),
    "concat": "axis: integer = 1",
    "matmul": "kind: text = None, equation: text = None",
    # zeros: as many channels, at every position.
    "constant": "kind: text = None, channels: integer = 1",
    "activation": "kind: text = relu",
    "unary": "kind: text",
    "merge": "kind: text",
    "softmax": "axis: integer = -1, log: flag = False",
    "flatten": "start_axis: integer = 1",
    # -1: the axis of the batch. Without one it is the first.
    "reshape": "shape: integers, kind: text = None, axes: integers = None",
    "permute": "axes: integers = None, kind: text = None",
    # dropped: axes of one entry that the result does not have.
    "slice": (
        "axes: integers = None, starts: integers = None, ends: integers = None, steps: integers = None, "
        "dropped: integers = None, kind: text = None, axis: integer = None, index: integers = None"
    ),
    "split": "axis: integer = 0",
    # pads: before and after each axis, the last axis first (torch's order).
    "pad": "pads: integers, mode: text = constant, value: number = 0.0",
    # kind: nearest, nearest-exact, linear, bilinear, bicubic, trilinear or area. scale: the factor, where
    # one was given.
    "resize": (
        "kind: text = nearest, size: axes = None, scale: numbers = None, align_corners: flag = False, "
        "antialias: flag = False"
    ),
}

_TABLE: tuple[Operator, ...] = (
    Operator("input", Primitive.INPUT, (), _SOURCE, "an input of the network"),
    # Operators with weights
    Operator("conv", Primitive.CONV, _WEIGHT_BIAS, _ONE, "convolution over 1, 2 or 3 spatial axes"),
    Operator("conv_transpose", Primitive.CONV, _WEIGHT_BIAS, _ONE, "transposed convolution"),
    Operator("linear", Primitive.CONV, _WEIGHT_BIAS, _ONE, "fully connected layer, over the last axis"),
    Operator("bias", Primitive.BIAS, ("bias",), _ONE, "a learned vector added to its input"),
    Operator("batch_norm", Primitive.BN, _WEIGHT_BIAS, _ONE, "batch normalisation"),
    Operator("instance_norm", Primitive.BN, _WEIGHT_BIAS, _ONE, "instance normalisation"),
    Operator("group_norm", Primitive.LN, _WEIGHT_BIAS, _ONE, "group normalisation"),
    Operator("layer_norm", Primitive.LN, _WEIGHT_BIAS, _ONE, "layer normalisation"),
    Operator("rms_norm", Primitive.LN, _WEIGHT_BIAS, _ONE, "root mean square normalisation"),
    Operator(
        "position",
        Primitive.POS_ENC,
        ("weight",),
        (0, 1),
        "a learned position encoding: a source, or added to its input",
    ),
    Operator("embedding", None, ("weight",), _ONE, "a look-up table"),
    Operator("class_token", None, ("weight",), (0, 1), "a learned token: a source, or joined to its input"),
    Operator("layer_scale", None, ("weight",), _ONE, "a learned factor a channel"),
    Operator("relative_position", None, ("weight",), (0, 1), "a learned table of relative positions"),
    Operator("recurrent", None, ("*",), _ANY, "RNN, LSTM or GRU"),
    Operator("parameter", None, ("*",), (0, None), "any other use of learned tensors"),
    # Operators without weights that the GHN sees
    Operator("max_pool", Primitive.MAX_POOL, (), _ONE, "maximum over windows"),
    Operator("avg_pool", Primitive.AVG_POOL, (), _ONE, "mean over windows"),
    Operator(
        "global_avg_pool",
        Primitive.GLOB_AVG,
        (),
        _ONE,
        "mean over all positions, or adaptive average pooling",
    ),
    Operator(
        "attention", Primitive.MSA, (), (1, None), "multi-head attention itself, without its projections"
    ),
    Operator(
        "channel_gate", Primitive.CSE, (), (2, 2), "features times a gate per channel (squeeze and excite)"
    ),
    Operator("add", Primitive.SUM, (), _ANY, "sum"),
    Operator("concat", Primitive.CONCAT, (), _ANY, "joining along an axis"),
    # Operators the GHN does not see: their neighbours are joined
    Operator("constant", None, (), _SOURCE, "fixed numbers, not trained"),
    *(
        Operator(name, None, (), _ONE, summary)
        for name, summary in {
            "activation": "attribute kind: relu, gelu, silu, ... (`functions.py`)",
            "softmax": "softmax or log-softmax",
            "flatten": "joins all axes from start_axis on",
            "reshape": "the same values in another shape",
            "permute": "axes in another order",
            "slice": "a part of its input",
            "split": "several parts of its input",
            "pad": "padding",
            "resize": "up- or down-sampling",
            "dropout": "nothing at evaluation",
            "identity": "nothing",
            "unary": "any other function of one tensor",
            "global_max_pool": "maximum over all positions",
        }.items()
    ),
    Operator("mul", None, (), _ANY, "product"),
    Operator("matmul", None, (), _ANY, "product of two computed tensors"),
    Operator("merge", None, (), _ANY, "any other function of several tensors"),
)

OPERATORS: dict[str, Operator] = {
    operator.name: replace(operator, attributes=(*attributes(_ATTRIBUTES.get(operator.name, "")), *_COMMON))
    for operator in _TABLE
}
# Convolutions and linear layers.
PRODUCTS = frozenset({"conv", "conv_transpose", "linear"})
NORMS = frozenset({"batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm"})
# What a layer scale follows.
BRANCH_ENDS = NORMS | PRODUCTS | {"attention", "avg_pool", "max_pool", "recurrent"}
