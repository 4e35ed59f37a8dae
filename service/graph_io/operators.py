"""The one table of operators.

A reader translates its format's operators to these names; everything behind the readers knows only these.
The table says which GHN primitive an operator is (GHN-2 paper, table 1), which parameters it may own, and
how many inputs it takes.

Attributes that a runnable graph carries (`service/executor` executes them), defaults in parentheses:
    conv              stride (1), padding (0), dilation (1), groups (1); a tuple each, one entry a spatial
    axis conv_transpose    the same and output_padding (0)
    max_pool          kernel_size, stride (kernel_size), padding (0), ceil_mode (False)
    avg_pool          kernel_size, stride (kernel_size), padding (0), ceil_mode (False), count_include_pad
    (True) global_avg_pool   output_size (1), keepdims (True): False drops the spatial axes
    batch_norm, layer_norm, group_norm, instance_norm, rms_norm    eps (1e-5); group_norm: groups;
                      layer_norm: axis (-1; 1 is a per-channel norm on N,C,H,W)
    attention         heads; inputs: one node giving q, k, v joined along channels, or three nodes
    concat            axis (1)
    add, mul          none; broadcasting
    channel_gate      inputs: features, gate
    flatten, reshape, permute, slice, pad, resize ...    see `service/executor` for those that it runs
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


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
    """

    name: str
    primitive: Primitive | None
    roles: tuple[str, ...]
    inputs: tuple[int, int | None]
    summary: str


_WEIGHT_BIAS = ("weight", "bias")
_ONE, _ANY, _SOURCE = (1, 1), (1, None), (0, 0)

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
            "activation": "attribute kind: relu, gelu, silu, sigmoid, tanh, hardswish, relu6, ...",
            "softmax": "softmax or log-softmax",
            "flatten": "attribute start_axis (1)",
            "reshape": "attribute shape",
            "permute": "attribute axes",
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

OPERATORS: dict[str, Operator] = {operator.name: operator for operator in _TABLE}
NORMS = frozenset({"batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm"})
