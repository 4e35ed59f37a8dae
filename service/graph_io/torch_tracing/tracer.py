"""One module on its way to a graph: how it is run and recorded, and what is tried if that fails.

The module runs once on tensors without memory (the meta device), in evaluation mode; a torch function
mode writes down every call into torch, and the record becomes nodes. The module is lent stand-ins for its
parameters and buffers and comes back untouched. A module that looks at the values of its features is run
once more on zeros (`zeros.py`). If that fails, does not end or leaves parameters out, it is run as it is, on
copies of its parameters (`values.py`), which takes the time and the memory of a forward pass.

Parameters that evaluation does not reach, such as auxiliary classifiers, are looked for in training mode.
"""

from __future__ import annotations

import dataclasses
import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from service.errors import InvalidArchitecture, LimitExceeded, ServiceError
from service.graph_io.archgraph import ArchGraph, Node, Parameter
from service.graph_io.checks import build_graph
from service.graph_io.limits import GraphLimits
from service.graph_io.program import Program
from service.graph_io.sample import Sample
from service.graph_io.torch_tracing import handlers  # noqa: F401  registers the handlers
from service.graph_io.torch_tracing.inputs import with_values
from service.graph_io.torch_tracing.lowering import lower
from service.graph_io.torch_tracing.nested import map_tensors, tensors_in
from service.graph_io.torch_tracing.programs import record_program
from service.graph_io.torch_tracing.recorder import META, Recorder
from service.graph_io.torch_tracing.samples import sample_of
from service.graph_io.torch_tracing.stand_ins import borrowed
from service.graph_io.torch_tracing.steps import Record, Step
from service.graph_io.torch_tracing.transforms import followed_transforms
from service.graph_io.torch_tracing.values import ValueRecorder
from service.graph_io.torch_tracing.wrappers import parts_of, unwrapped, without_wrappers
from service.graph_io.torch_tracing.zeros import ZeroRecorder

logger = logging.getLogger(__name__)

HINT = (
    "Pass input_shape, without the batch axis, such as (3, 224, 224), "
    "or example, with what the module is called with; on the command line, --input-shape 3,224,224."
)


class Tracer:
    """One module, and what is known about its parameters."""

    def __init__(self, model: nn.Module, limits: GraphLimits, *, runnable: bool = False) -> None:
        if not isinstance(model, nn.Module):
            raise InvalidArchitecture(
                f"{type(model).__name__} is not a torch.nn.Module.", hint="Pass the module itself."
            )
        scripted = next(
            (type(m).__name__ for m in model.modules() if isinstance(m, torch.jit.ScriptModule)), None
        )
        if scripted:
            raise InvalidArchitecture(
                f"{scripted} is a scripted module, whose calls cannot be followed.",
                hint="Trace the module it was scripted from, or export it to ONNX.",
            )
        self.model, self.limits, self.to_be_run = model, limits, runnable
        # Whether the graph may depend on values of tensors.
        self.looks_at_numbers = False
        self.runnable = unwrapped(model)
        self.modules = parts_of(model)
        parameters = list(model.named_parameters())
        devices = [parameter.device for _, parameter in parameters]
        self.has_values = all(device != META for device in devices)
        self.device = next((device for device in devices if device != META), torch.device("cpu"))
        self.names: dict[int, str] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.kept: set[str] = set()
        for name, parameter in parameters:
            if is_lazy(parameter):
                raise InvalidArchitecture(
                    f"The parameter {name!r} has no shape yet.",
                    node=name,
                    hint="Call a lazy module once before it is traced.",
                )
            if parameter.numel() == 0:
                # It only tells the device, or is switched off: there is nothing to predict.
                continue
            self.names[id(parameter)] = name
            self.shapes[name] = tuple(parameter.shape)
            if not parameter.requires_grad:
                self.kept.add(name)

    def graph(self, example: Any, name: str, *, guess: bool = False) -> ArchGraph:
        """guess: the example may well be wrong. What its shape does not fit is not tried with values."""
        with _without_collections(), without_wrappers(self.modules):
            graph = self._graph(example, name, guess)
            if not self.to_be_run:
                return graph
            return dataclasses.replace(
                graph, program=self._program(example), sample=self._sample(graph, example)
            )

    def _program(self, example: Any) -> Program | None:
        try:
            return record_program(
                self.modules, self.names, lambda inputs: _call(self.runnable, inputs), example
            )
        except Exception as failure:  # the user's forward may raise anything
            logger.info("no program of %s: %s", type(self.runnable).__name__, failure)
            return None

    def _sample(self, graph: ArchGraph, example: Any) -> Sample | None:
        if not isinstance(example, Tensor) or not example.is_floating_point():
            return None
        try:
            return sample_of(self.runnable, graph.input_shape, self.names)
        except Exception as failure:  # the user's forward may raise anything
            logger.info("no sample of %s: %s", type(self.runnable).__name__, failure)
            return None

    def _graph(self, example: Any, name: str, guess: bool) -> ArchGraph:
        name = name or type(self.runnable).__name__
        record = self._record(example, guess, training=False)
        graph = self._build(record, example, name)
        # Auxiliary classifiers run in training only.
        others: list[Callable[[], Record]] = [lambda: self._record(example, True, training=True)]
        if record.by_zeros and self.has_values:
            others.append(lambda: self._record_values(example, training=False))
        for other in others:
            if graph.unattached:
                try:
                    complete = self._build(other(), example, name)
                except InvalidArchitecture:
                    continue
                if len(complete.unattached) < len(graph.unattached):
                    graph = complete
        return graph

    def _record(self, example: Any, guess: bool, *, training: bool) -> Record:
        arguments = map_tensors(example, _without_memory)
        recorder = Recorder(_batch(arguments))
        try:
            return self._run(arguments, recorder, recorder, training=training)
        except Exception as failure:  # the user's forward may raise anything
            if guess and _is_about_shapes(failure):
                raise self._refusal(failure) from failure
        self.looks_at_numbers = True
        arguments = with_values(example, torch.device("cpu"))
        recorder = ZeroRecorder(_batch(arguments))
        try:
            record = self._run(arguments, recorder, recorder, training=training)
            return dataclasses.replace(record, by_zeros=True)
        except Exception as failure:
            if not self.has_values:
                raise self._refusal(failure) from failure
        return self._record_values(example, training=training)

    def _record_values(self, example: Any, *, training: bool) -> Record:
        try:
            return self._run_with_values(example, training=training)
        except Exception as failure:
            if "grad" not in str(failure):  # "element 0 of tensors does not require grad", in many words
                raise self._refusal(failure) from failure
        try:
            # Forces are the gradient of an energy: the module needs what a plain call of it has.
            return self._run_with_values(example, training=training, gradients=True)
        except Exception as failure:
            raise self._refusal(failure) from failure

    def _refusal(self, failure: Exception) -> InvalidArchitecture | LimitExceeded:
        if isinstance(failure, InvalidArchitecture | LimitExceeded):
            return failure
        reason = " ".join(str(failure).split())[:300]
        return InvalidArchitecture(
            f"{type(self.runnable).__name__} could not be run: {type(failure).__name__}: {reason}.", hint=HINT
        )

    def _run_with_values(self, example: Any, *, training: bool, gradients: bool = False) -> Record:
        arguments = with_values(example, self.device)
        recorder = Recorder(_batch(arguments))
        mode = ValueRecorder(recorder, _STEPS_PER_NODE * self.limits.max_nodes)
        return self._run(arguments, recorder, mode, training=training, gradients=gradients)

    def _run(
        self,
        arguments: Any,
        recorder: Recorder,
        mode: Recorder | ValueRecorder,
        *,
        training: bool,
        gradients: bool = False,
    ) -> Record:
        """mode: the recorder itself, or what computes values for it."""
        for tensor in tensors_in(arguments):
            mode.input(tensor)
        lent = borrowed(self.modules, self.names, mode, training=training)
        with lent, followed_transforms(recorder, mode), torch.set_grad_enabled(gradients), mode:
            result = _call(self.runnable, arguments)
        outputs = [step for tensor in tensors_in(result) if (step := mode.step_of(tensor)) is not None]
        live = tuple(dict.fromkeys(step for step in outputs if recorder.steps[step].live))
        # A detector that finds nothing in an empty image returns what depends on nothing.
        live = live or _ends(recorder.steps)
        if not live:
            raise InvalidArchitecture(
                f"What {type(self.runnable).__name__} returns does not depend on its input "
                "through functions of torch.",
                hint="Scripted functions and other libraries cannot be followed; export the module to ONNX.",
            )
        return Record(recorder.steps, live, recorder.batch)

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


def _batch(arguments: Any) -> int:
    """The size of the first axis of the first input."""
    first = next(tensors_in(arguments), None)
    return int(first.shape[0]) if first is not None and first.dim() > 0 else 1


def _without_memory(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=META)


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


def _is_about_shapes(failure: Exception) -> bool:
    """Whether a run most likely failed because the input has another shape than the module takes."""
    if isinstance(failure, NotImplementedError):
        return False
    text = str(failure)
    return any(word in text for word in _SHAPE_WORDS) and "meta" not in text.lower()


_SHAPE_WORDS = ("shape", "size", "dim", "channel", "kernel", "features", "argument")
# Not every call becomes a node.
_STEPS_PER_NODE = 4
