"""Where operations take their weights, and which fixed computations only make such weights.

A weight may be computed from parameters before it is used (standardised, normalised, concatenated for a
recurrent layer): those computations are no layers of their own. Everything else with weights and a fixed
input (learned queries through a linear layer) is.
"""

from __future__ import annotations

from collections.abc import Iterable

from service.graph_io.onnx.flatten import Op
from service.graph_io.onnx.operators import ALWAYS_FIXED, ELEMENTWISE, FIRST_ONLY

# ONNX operator -> inputs that are weights.
WEIGHT_SLOTS: dict[str, tuple[int, ...]] = {
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "ConvInteger": (1,),
    "QLinearConv": (3, 8),
    "DeformConv": (1, 3),
    "Gemm": (1, 2),
    "MatMul": (0, 1),
    "MatMulInteger": (0, 1),
    "QLinearMatMul": (0, 3),
    "Einsum": (0, 1),
    "BatchNormalization": (1, 2, 3, 4),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "GroupNormalization": (1, 2),
    "RMSNormalization": (1,),
    "PRelu": (1,),
    "LSTM": (1, 2, 3, 5, 6, 7),
    "GRU": (1, 2, 3, 5),
    "RNN": (1, 2, 3, 5),
    "CausalConvWithState": (1, 2),
}
# Inputs among them that carry what a layer remembers: {operator: inputs}.
STATES = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}
# Inputs that nobody trains: {operator: {input: the value it has in a fresh network}}.
STARTING_VALUES: dict[str, dict[int, float]] = {
    "BatchNormalization": {3: 0.0, 4: 1.0},
    **{name: dict.fromkeys(slots, 0.0) for name, slots in STATES.items()},
}
# Inputs of other operators that are learned now and then (planes of features, tokens in place of what is
# masked, queries).
LEARNED_SLOTS: dict[str, tuple[int, ...]] = {
    "GridSample": (0,),
    "LinearAttention": (0, 1, 2, 4, 5),
    "Scatter": (0, 2),
    "ScatterElements": (0, 2),
    "ScatterND": (0, 2),
    "TensorScatter": (0, 1),
    "GatherElements": (0,),
    "GatherND": (0,),
    "Compress": (0,),
    "SequenceConstruct": tuple(range(64)),
    "SequenceInsert": (1,),
}
_CONVOLUTIONS = frozenset(
    {"Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "LSTM", "GRU", "RNN", "BatchNormalization"}
)
_LAYERS = frozenset(WEIGHT_SLOTS) - {"PRelu"}


def takes_weight(kind: str, slot: int) -> bool:
    """Whether this input of an ONNX operator is a place of weights and of nothing else that a file stores."""
    return slot in WEIGHT_SLOTS.get(kind, ()) and slot not in STARTING_VALUES.get(kind, ())


def may_be_learned(kind: str, slot: int) -> bool:
    """Whether this input of an ONNX operator may be a learned tensor: one with a name of its own is."""
    return slot in LEARNED_SLOTS.get(kind, ()) or kind in ELEMENTWISE or kind in ("Concat", "Gather")


def quantised_biases(ops: Iterable[Op]) -> set[str]:
    """Names of the values that are biases of quantised layers, or are made real numbers before use."""
    return {op.input(0) for op in ops if op.type == "DequantizeLinear"} | {
        op.input(8) for op in ops if op.type == "QLinearConv"
    }


def computed_values(ops: Iterable[Op], inputs: Iterable[str]) -> set[str]:
    """Names of the values that depend on the network's input."""
    computed = set(inputs)
    for op in ops:
        if op.type in ALWAYS_FIXED:
            continue
        read = op.inputs[:1] if op.type in FIRST_ONLY else op.inputs
        if any(name in computed for name in read):
            computed.update(name for name in op.outputs if name)
    return computed


def weight_making(ops: list[Op], computed: set[str]) -> set[str]:
    """Names of the fixed values that are only steps on the way to a weight.

    Behind a convolution's weight everything is such a step; behind a linear layer's only what is no layer
    itself, because the same place also takes keys and queries made by layers.
    """
    steps: set[str] = set()
    inside_layers: set[str] = set()
    for op in reversed(ops):
        if any(output in computed for output in op.outputs):
            for index in WEIGHT_SLOTS.get(op.type, ()):
                name = op.input(index)
                if name and name not in computed:
                    steps.add(name)
                    if op.type in _CONVOLUTIONS:
                        inside_layers.add(name)
            continue
        made = [output for output in op.outputs if output in steps]
        if not made:
            continue
        if op.type in _LAYERS and not any(output in inside_layers for output in made):
            steps.difference_update(made)
            continue
        steps.update(op.inputs)
        if any(output in inside_layers for output in made):
            inside_layers.update(op.inputs)
    return steps
