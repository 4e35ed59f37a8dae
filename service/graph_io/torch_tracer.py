"""nn.Module -> ArchGraph, with the module's own parameter names and without its weights.
`torch_tracing/tracer.py` has how.

A parameter with requires_grad=False is part of the graph, and marked as one that is kept as it is. Parameters
that neither evaluation nor training reads are listed in `ArchGraph.unattached`: every parameter of the module
is in the graph, always.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from service.errors import InvalidArchitecture, InvalidRequest
from service.graph_io.archgraph import ArchGraph
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits
from service.graph_io.torch_tracing.inputs import candidates
from service.graph_io.torch_tracing.recorder import META
from service.graph_io.torch_tracing.torchvision_models import build
from service.graph_io.torch_tracing.trace_cache import TraceCache
from service.graph_io.torch_tracing.tracer import HINT, Tracer

# A module that is already in memory is limited by that memory; the limits are for what strangers send.
LIMITS = dataclasses.replace(
    DEFAULT_LIMITS, max_parameters=10**12, max_dim=2**40, max_nodes=200_000, max_edges=2_000_000
)


def trace(
    model: nn.Module, *, input_shape: Sequence[int] | None = None, example: Any = None, name: str = "",
    runnable: bool = False,
) -> ArchGraph:  # fmt: skip
    """The graph of a module.

    input_shape: of the input without the batch axis; the input's numbers are floating point. Guessed if
        neither this nor `example` is given: from what timm and torchvision models say about themselves,
        then from the first layers.
    example: instead of input_shape, what the module is called with: a tensor (batch axis included),
        a tuple of positional arguments or a dictionary of keyword arguments. Only shapes and number formats
        are read, unless the module itself looks at the numbers.
    name: of the graph; the class of the module if empty.
    runnable: for whoever runs the network: record exactly what the module computes, if that can be done, and
        what it answers for a sample. Buffers, and parameters that are kept as they are, travel with their
        values.

    Raises InvalidArchitecture if the module cannot be run on such an input, saying why, and InvalidRequest if
    both input_shape and example are given.

    >>> trace(torchvision.models.resnet18()).num_parameters
    11689512
    """
    tracer = Tracer(model, LIMITS, runnable=runnable)
    if example is not None and input_shape is not None:
        raise InvalidRequest(
            "input_shape and example both say what the module is called with.",
            field="/example",
            hint="Pass one of them.",
        )
    return tracer.graph(example, name) if example is not None else _trace(tracer, input_shape, name)


def trace_once(model: nn.Module, *, input_shape: Sequence[int] | None = None) -> ArchGraph:
    """`trace`, for a caller who comes with the same module again: its graph is at hand until the module
    changes (a layer, an attribute, a hook, a parameter's shape, its class) or is freed. What the module's
    code reads outside of it and of its class may not change.
    """
    shape = None if input_shape is None else tuple(input_shape)

    def fresh() -> tuple[ArchGraph, bool]:
        tracer = Tracer(model, LIMITS)
        return _trace(tracer, shape, ""), tracer.looks_at_numbers

    return _CACHE.graph(model, (shape, torch.get_default_dtype()), fresh)


_CACHE = TraceCache()


def _trace(tracer: Tracer, input_shape: Sequence[int] | None, name: str) -> ArchGraph:
    """With an input of this shape, or with the first that the module takes."""
    model = tracer.model
    guess = input_shape is None
    first_failure: InvalidArchitecture | None = None
    for candidate in candidates(model, input_shape, META):
        try:
            return tracer.graph(candidate, name, guess=guess)
        except InvalidArchitecture as failure:
            first_failure = first_failure or failure
    if input_shape is not None and first_failure is not None:
        raise first_failure
    detail = f" {first_failure.detail}" if first_failure else ""
    raise InvalidArchitecture(f"No input was found that {type(model).__name__} takes.{detail}", hint=HINT)


def trace_torchvision(
    name: str, *, num_classes: int | None = None, image_size: int | None = None, limits: GraphLimits = LIMITS,
    runnable: bool = False,
) -> ArchGraph:  # fmt: skip
    """The graph of a torchvision model, which is built without memory for its parameters.

    num_classes, image_size: the model's own where None. runnable: see `trace`.

    Raises InvalidArchitecture for a name that torchvision does not have, naming those that look like it, and
    LimitExceeded.
    """
    if not runnable:
        return _torchvision_graph(name, num_classes, image_size, limits)
    model, example = build(name, num_classes=num_classes, image_size=image_size)
    return Tracer(model, limits, runnable=True).graph(example, name, guess=True)


@lru_cache(maxsize=64)
def _torchvision_graph(
    name: str, num_classes: int | None, image_size: int | None, limits: GraphLimits
) -> ArchGraph:
    """A name always stands for the same network: it is built and traced once a process."""
    model, example = build(name, num_classes=num_classes, image_size=image_size)
    return Tracer(model, limits).graph(example, name, guess=True)
