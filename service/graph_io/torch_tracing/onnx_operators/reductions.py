"""Sums, means and extremes along axes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from service.graph_io.torch_tracing.onnx_operators.table import (
    OPERATORS,
    Attrs,
    Inputs,
    NotRun,
    Operator,
    first_input,
    input_at,
    integers,
    operator,
)


def _reduction(function: Callable[[Tensor, list[int], bool], Tensor]) -> Operator:
    def run(attrs: Attrs, inputs: Inputs) -> Tensor:
        x, axes = first_input(inputs), input_at(inputs, 1)
        chosen = integers(axes if axes is not None else attrs.get("axes", []))
        if not chosen:
            if attrs.get("noop_with_empty_axes"):
                return x
            chosen = list(range(x.ndim))
        return function(x, chosen, bool(attrs.get("keepdims", 1)))

    return run


OPERATORS.update(
    ReduceMean=_reduction(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    ReduceSum=_reduction(lambda x, axes, keep: x.sum(axes, keepdim=keep)),
    ReduceMax=_reduction(lambda x, axes, keep: x.amax(axes, keepdim=keep)),
    ReduceMin=_reduction(lambda x, axes, keep: x.amin(axes, keepdim=keep)),
    ReduceL1=_reduction(lambda x, axes, keep: x.abs().sum(axes, keepdim=keep)),
    ReduceL2=_reduction(lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt()),
    ReduceSumSquare=_reduction(lambda x, axes, keep: x.square().sum(axes, keepdim=keep)),
    ReduceLogSumExp=_reduction(lambda x, axes, keep: x.logsumexp(axes, keepdim=keep)),
)


@operator("ReduceProd")
def _reduce_prod(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, axes = first_input(inputs), input_at(inputs, 1)
    chosen = integers(axes if axes is not None else attrs.get("axes", range(x.ndim)))
    for axis in sorted((axis % x.ndim for axis in chosen), reverse=True):
        x = x.prod(axis, keepdim=bool(attrs.get("keepdims", 1)))
    return x


@operator("ArgMax", "ArgMin")
def _argmax(attrs: Attrs, inputs: Inputs) -> Tensor:
    if attrs.get("select_last_index"):
        raise NotRun("gives the last of equal places")
    function = torch.argmax if attrs["operator"] == "ArgMax" else torch.argmin
    return function(first_input(inputs), dim=attrs.get("axis", 0), keepdim=bool(attrs.get("keepdims", 1)))


@operator("CumSum")
def _cumsum(attrs: Attrs, inputs: Inputs) -> Tensor:
    if attrs.get("exclusive") or attrs.get("reverse"):
        raise NotRun("sums backwards or without the number itself")
    assert inputs[1] is not None
    return first_input(inputs).cumsum(integers(inputs[1])[0])
