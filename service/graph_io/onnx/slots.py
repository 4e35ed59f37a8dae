"""Where operations take their weights, and which fixed computations only make such weights.

A weight may be computed from parameters before it is used (standardised, normalised, concatenated for a
recurrent layer): those computations are no layers of their own. Everything else with weights and a fixed
input (learned queries through a linear layer) is.
"""

from __future__ import annotations

from collections.abc import Iterable

from service.graph_io.onnx.draft import Owned, own
from service.graph_io.onnx.leaves import is_buffer, is_plain_number
from service.graph_io.onnx.op import Op
from service.graph_io.onnx.row import Fact, Signal
from service.graph_io.onnx.table import row_of
from service.graph_io.onnx.values import Value


def takes_weight(kind: str, slot: int) -> bool:
    """Whether this input of an ONNX operator is a place of weights and of nothing else that a file stores."""
    row = row_of(kind)
    return slot in row.weights and slot not in row.starts


def may_be_learned(kind: str, slot: int) -> bool:
    """Whether this input of an ONNX operator may be a learned tensor: one with a name of its own is."""
    return slot in row_of(kind).learned


def quantised_biases(ops: Iterable[Op]) -> set[str]:
    """Names of the values that are biases of quantised layers, or are made real numbers before use."""
    return {op.input(slot) for op in ops for slot in row_of(op.type).quantised}


def computed_values(ops: Iterable[Op], inputs: Iterable[str]) -> set[str]:
    """Names of the values that depend on the network's input."""
    computed = set(inputs)
    for op in ops:
        signal = row_of(op.type).signal
        if signal is Signal.NONE:
            continue
        read = op.inputs[:1] if signal is Signal.FIRST else op.inputs
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
            for index in row_of(op.type).weights:
                name = op.input(index)
                if name and name not in computed:
                    steps.add(name)
                    if Fact.WHOLE_WEIGHT in row_of(op.type).facts:
                        inside_layers.add(name)
            continue
        made = [output for output in op.outputs if output in steps]
        if not made:
            continue
        if Fact.LAYER in row_of(op.type).facts and not any(output in inside_layers for output in made):
            steps.difference_update(made)
            continue
        steps.update(op.inputs)
        if any(output in inside_layers for output in made):
            inside_layers.update(op.inputs)
    return steps


def learned(op: Op, values: list[Value]) -> list[Owned]:
    """What an operator of which we know nothing but its inputs may own: tensors in places that its
    subgraphs or the operator itself keep for weights, and in others those whose names say so.

    values: of the inputs, then of what the subgraphs bring along.
    """
    owned: dict[str, Owned] = {}
    names = [*op.inputs, *(name for name, _ in op.inner)]
    for slot, (name, value) in enumerate(zip(names, values, strict=True)):
        if not value.fixed:
            continue
        uses = [(op.type, slot), *op.uses.get(name, [])]
        certain = any(takes_weight(*use) for use in uses)
        possible = certain or any(may_be_learned(*use) for use in uses)
        for leaf in value.leaves:
            if is_buffer(leaf) or not (leaf.kind == "PARAMETER" or possible):
                continue
            if certain or (leaf.is_float and not is_plain_number(leaf)):
                owned.setdefault(leaf.name, own(leaf, "weight", doubtful=not certain))
    return list(owned.values())
