"""nn.Module -> ArchGraph, with the module's own parameter names and without its weights.

The module runs once on tensors without memory (the meta device), in evaluation mode; a torch function
mode writes down every call into torch, and the record becomes nodes. The module is lent stand-ins for its
parameters and buffers and comes back untouched. A module whose control flow looks at the values of its
features is run once more on the CPU, with zeros for its parameters and its input, and everything
expensive still left out.

A parameter with requires_grad=False is part of the graph, and marked as one that is kept as it is.

Parameters that evaluation does not reach, such as auxiliary classifiers, are looked for in training mode;
what is still unread afterwards is listed in `ArchGraph.unattached`. Every parameter of the module is in
the graph, always.
"""

from __future__ import annotations

import dataclasses
import gc
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from service.errors import InvalidArchitecture, InvalidRequest, ServiceError
from service.graph_io.archgraph import ArchGraph, Node, Parameter
from service.graph_io.checks import build_graph
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits
from service.graph_io.program import Program
from service.graph_io.torch_tracing import handlers  # noqa: F401  registers the handlers
from service.graph_io.torch_tracing.inputs import BATCH, candidates, floating_dtype, of_shape
from service.graph_io.torch_tracing.lowering import lower
from service.graph_io.torch_tracing.programs import record_program
from service.graph_io.torch_tracing.recorder import META, Recorder, tensors_in
from service.graph_io.torch_tracing.stand_ins import borrowed
from service.graph_io.torch_tracing.steps import Record, Step
from service.graph_io.torch_tracing.torchvision_models import build

__all__ = ["trace", "trace_torchvision"]

logger = logging.getLogger(__name__)

CPU = torch.device("cpu")
HINT = (
    "Pass input_shape, without the batch axis, such as (3, 224, 224), "
    "or example, with what the module is called with."
)
# A module that is already in memory is limited by that memory; the limits are for what strangers send.
LIMITS = dataclasses.replace(
    DEFAULT_LIMITS, max_parameters=10**12, max_dim=2**40, max_nodes=200_000, max_edges=2_000_000
)


def trace(
    model: nn.Module, *, input_shape: Sequence[int] | None = None, example: Any = None, name: str = "",
    program: bool = False,
) -> ArchGraph:  # fmt: skip
    """The graph of a module.

    input_shape: of the input without the batch axis; the input's numbers are floating point. Guessed if
        neither this nor `example` is given: from what timm and torchvision models say about themselves,
        then from the first layers.
    example: instead of input_shape, what the module is called with: a tensor (batch axis included),
        a tuple of positional arguments or a dictionary of keyword arguments. Only shapes
        and number formats are read.
    name: of the graph; the class of the module if empty.
    program: record exactly what the module computes too, if that can be done: for running the network.
    Buffers,
        and parameters that are kept as they are, go into it with their values.

    Raises InvalidArchitecture if the module cannot be run on such an input, saying why, and InvalidRequest if
    both input_shape and example are given.

    >>> trace(torchvision.models.resnet18()).num_parameters
    11689512
    """
    tracer = _Tracer(model, program=program)
    if example is not None and input_shape is not None:
        raise InvalidRequest(
            "input_shape and example both say what the module is called with.",
            field="example",
            hint="Pass one of them.",
        )
    if example is not None:
        return tracer.graph(example, name)
    dtype = floating_dtype(model)
    first_failure: InvalidArchitecture | None = None
    for candidate in candidates(model) if input_shape is None else of_shape(model, input_shape):
        try:
            return tracer.graph(candidate.tensor(META, dtype), name)
        except InvalidArchitecture as failure:
            first_failure = first_failure or failure
    if input_shape is not None and first_failure is not None:
        raise first_failure
    detail = f" {first_failure.detail}" if first_failure else ""
    raise InvalidArchitecture(f"No input was found that {type(model).__name__} takes.{detail}", hint=HINT)


def trace_torchvision(
    name: str, *, num_classes: int | None = None, image_size: int | None = None, limits: GraphLimits = LIMITS,
    program: bool = False,
) -> ArchGraph:  # fmt: skip
    """The graph of a torchvision model, which is built without memory for its parameters.

    num_classes, image_size: the model's own where None. program: see `trace`.

    Raises InvalidArchitecture for a name that torchvision does not have, naming those that look like it, and
    LimitExceeded.
    """
    model, example = build(name, num_classes=num_classes, image_size=image_size)
    return _Tracer(model, limits, program=program).graph(example, name)


class _Tracer:
    """One module, and what is known about its parameters."""

    def __init__(self, model: nn.Module, limits: GraphLimits = LIMITS, *, program: bool = False) -> None:
        if not isinstance(model, nn.Module):
            raise InvalidArchitecture(
                f"{type(model).__name__} is no torch.nn.Module.", hint="Pass the module itself."
            )
        self.model, self.limits, self.with_program = model, limits, program
        self.runnable = _unwrapped(model)
        self.modules = list(model.modules())
        self.names: dict[int, str] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.kept: set[str] = set()
        for name, parameter in model.named_parameters():
            if isinstance(parameter, nn.parameter.UninitializedParameter):
                raise InvalidArchitecture(
                    f"The parameter {name!r} has no shape yet.",
                    node=name,
                    hint="Call a lazy module once before it is traced.",
                )
            self.names[id(parameter)] = name
            self.shapes[name] = tuple(parameter.shape)
            if not parameter.requires_grad:
                self.kept.add(name)
        scripted = next(
            (type(m).__name__ for m in self.modules if isinstance(m, torch.jit.ScriptModule)), None
        )
        if scripted:
            raise InvalidArchitecture(
                f"{scripted} is a scripted module, whose calls cannot be followed.",
                hint="Trace the module it was scripted from, or export it to ONNX.",
            )

    def graph(self, example: Any, name: str) -> ArchGraph:
        with _without_collections():
            graph = self._graph(example, name)
            return dataclasses.replace(graph, program=self._program(example)) if self.with_program else graph

    def _program(self, example: Any) -> Program | None:
        try:
            return record_program(
                self.modules, self.names, lambda given: _call(self.runnable, given), example
            )
        except Exception as failure:  # the user's forward may raise anything
            logger.info("no program of %s: %s", type(self.runnable).__name__, failure)
            return None

    def _graph(self, example: Any, name: str) -> ArchGraph:
        name = name or type(self.runnable).__name__
        graph = self._build(self._record(example, training=False), example, name)
        if graph.unattached:
            # Auxiliary classifiers run in training only.
            try:
                training = self._build(self._record(example, training=True), example, name)
            except InvalidArchitecture:
                return graph
            if len(training.unattached) < len(graph.unattached):
                return training
        return graph

    def _record(self, example: Any, *, training: bool) -> Record:
        try:
            return self._run(example, META, training=training)
        except Exception as failure:  # the user's forward may raise anything
            if not _looks_at_values(failure):
                raise self._refusal(failure) from failure
        try:
            return self._run(_fewer(example), CPU, training=training)
        except Exception as failure:
            raise self._refusal(failure) from failure

    def _refusal(self, failure: Exception) -> InvalidArchitecture:
        if isinstance(failure, InvalidArchitecture):
            return failure
        reason = " ".join(str(failure).split())[:300]
        return InvalidArchitecture(
            f"{type(self.runnable).__name__} could not be run: {type(failure).__name__}: {reason}.", hint=HINT
        )

    def _run(self, example: Any, device: torch.device, *, training: bool) -> Record:
        arguments = _moved(example, device)
        recorder = Recorder(device, _batch(arguments))
        for tensor in tensors_in(arguments):
            recorder.input(tensor)
        with borrowed(self.modules, self.names, recorder, training=training), torch.no_grad(), recorder:
            result = _call(self.runnable, arguments)
        outputs = [step for tensor in tensors_in(result) if (step := recorder.step_of(tensor)) is not None]
        live = tuple(dict.fromkeys(step for step in outputs if recorder.steps[step].live))
        # A detector that finds nothing in an empty image returns what depends on nothing.
        live = live or _ends(recorder.steps)
        if not live:
            raise InvalidArchitecture(
                f"What {type(self.runnable).__name__} returns does not depend on its input "
                "through functions of torch.",
                hint="Scripted functions and other libraries cannot be followed; export the module to ONNX.",
            )
        return Record(recorder.steps, live)

    def _build(self, record: Record, example: Any, name: str) -> ArchGraph:
        lowered = lower(record)
        attached = {parameter.name for node in lowered.nodes for parameter in node.params}
        unattached = tuple(
            self._marked(Parameter(parameter, shape, parameter.rpartition(".")[2]))
            for parameter, shape in self.shapes.items()
            if parameter not in attached
        )
        first = next(tensors_in(example), None)
        graph = build_graph(
            [self._marked_node(node) for node in lowered.nodes] if self.kept else lowered.nodes,
            outputs=lowered.outputs,
            input_shape=tuple(first.shape[1:]) if first is not None else (),
            name=name,
            unattached=unattached,
            limits=self.limits,
        )
        shapes = {parameter.name: parameter.shape for parameter in graph.all_parameters()}
        if shapes != self.shapes:
            wrong = sorted(shapes.items() ^ self.shapes.items())[:3]
            raise ServiceError(f"The graph of {name} does not have the module's parameters: {wrong}.")
        return graph

    def _marked(self, parameter: Parameter) -> Parameter:
        """Not trainable, if the module keeps it."""
        kept = parameter.name in self.kept
        return dataclasses.replace(parameter, trainable=False) if kept else parameter

    def _marked_node(self, node: Node) -> Node:
        if not any(parameter.name in self.kept for parameter in node.params):
            return node
        return dataclasses.replace(node, params=tuple(self._marked(parameter) for parameter in node.params))


@contextmanager
def _without_collections() -> Iterator[None]:
    """Thousands of short-lived records would set off full garbage collections, each ten times as long as a
    trace.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _unwrapped(model: nn.Module) -> nn.Module:
    """The module inside torch.compile, DataParallel and DistributedDataParallel."""
    if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        return _unwrapped(model.module)
    original = getattr(model, "_orig_mod", None)
    return _unwrapped(original) if isinstance(original, nn.Module) else model


def _batch(arguments: Any) -> int:
    """The size of the first axis of the first input."""
    first = next(tensors_in(arguments), None)
    return int(first.shape[0]) if first is not None and first.dim() > 0 else 1


def _fewer(example: Any) -> Any:
    """An example of our own without its large batch, which costs time where values are computed."""
    if isinstance(example, Tensor) and example.dim() > 0 and example.shape[0] == BATCH:
        return example[:2]
    return example


def _moved(value: Any, device: torch.device) -> Any:
    """The example with tensors without memory, or zeros, for its tensors."""
    if isinstance(value, Tensor):
        return torch.zeros(value.shape, dtype=value.dtype, device=device)
    if isinstance(value, Mapping):
        return {key: _moved(item, device) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(item, device) for item in value)
    return value


def _call(model: nn.Module, arguments: Any) -> Any:
    if isinstance(arguments, dict):
        return model(**arguments)
    if isinstance(arguments, tuple):
        return model(*arguments)
    return model(arguments)


def _ends(steps: list[Step]) -> tuple[int, ...]:
    """Computed values that nothing reads, if layers were run at all."""
    if not any(step.live and step.weights for step in steps):
        return ()
    read = {source for step in steps for source in step.reads}
    return tuple(index for index, step in enumerate(steps) if step.live and index not in read)


def _looks_at_values(failure: Exception) -> bool:
    """Whether a run failed because a tensor without memory has no values."""
    if isinstance(failure, NotImplementedError):
        return True
    text = str(failure)
    return isinstance(failure, RuntimeError | ValueError | TypeError) and any(
        phrase in text
        for phrase in ("meta tensor", "Meta tensor", "meta device", "device meta", "data-dependent", "item()")
    )
