"""The program of an ONNX file: its operators run in torch, and the calls are recorded as those of a module
are.
"""

from __future__ import annotations

from dataclasses import replace

import onnx
import torch
from torch import Tensor

from service.errors import UnsupportedOperator
from service.graph_io.archgraph import ArchGraph, module_of
from service.graph_io.limits import GraphLimits
from service.graph_io.onnx.load import load
from service.graph_io.onnx.scopes import domain_of, opset_of
from service.graph_io.program import Call, Program, Result
from service.graph_io.torch_tracing import onnx_operators  # noqa: F401  fills the table
from service.graph_io.torch_tracing.onnx_operators.attributes import attributes_of, tensor_of
from service.graph_io.torch_tracing.onnx_operators.table import OPERATORS, Attrs, Inputs, NotRun, Operator
from service.graph_io.torch_tracing.program_recorder import BATCHES, NoProgram, ProgramRecorder, merged
from service.graph_io.torch_tracing.recorder import META


def with_program(graph: ArchGraph, data: bytes, limits: GraphLimits) -> ArchGraph:
    """The graph of a file with the program of the file. data: the ONNX file that the graph was read from.

    Raises UnsupportedOperator if there is none: nothing would prove that its nodes say all.
    """
    try:
        return replace(graph, program=record_onnx_program(load(data, limits), graph))
    except NoProgram as reason:
        raise UnsupportedOperator(
            f"The ONNX file cannot be run here: it {reason}.", operator="graph", node=reason.node
        ) from None
    except Exception as failure:  # a stranger's file makes torch raise whatever it likes
        raise UnsupportedOperator(
            f"The ONNX file cannot be run here: {type(failure).__name__}.", operator="graph"
        ) from failure


def record_onnx_program(model: onnx.ModelProto, graph: ArchGraph) -> Program:
    """What a file computes for its first output.

    graph: of the file; its parameters are initializers of the file, and need no values there.

    Raises NoProgram, naming the node, for an operator that is not run, several inputs, or parameters that
    are no initializers of the file's own graph.
    """
    inlined = onnx.inliner.inline_local_functions(model) if model.functions else model
    constants: dict[str, Tensor] = {}
    records, tensors = [], []
    for batch in BATCHES:
        run = _Recording(inlined.graph, graph, opset_of(inlined), constants)
        records.append(run.record(batch))
        tensors.append(run.recorder.constants)
    return merged(records[0], records[1], tensors)


class _Recording:
    """constants: tensors of the file by name, the same objects in each recording."""

    def __init__(
        self, file: onnx.GraphProto, graph: ArchGraph, opset: int, constants: dict[str, Tensor]
    ) -> None:
        self._file, self._graph, self._opset, self._constants = file, graph, opset, constants
        self._parameters = {parameter.name: parameter for parameter in graph.parameters()}
        self._modules: dict[int, str] = {}
        self.recorder = ProgramRecorder({}, self._modules, fold=True)

    def record(self, batch: int) -> tuple[list[Call], Result]:
        values = self._initial(batch)
        with torch.enable_grad(), self.recorder:
            for node in self._file.node:
                self._run(node, values)
        output = values.get(self._file.output[0].name)
        if output is None:
            raise NoProgram("has no output")
        return self.recorder.program(output)

    def _initial(self, batch: int) -> dict[str, Tensor]:
        """The input, the parameters and the constants, by name."""
        values: dict[str, Tensor] = {}
        # An exporter that keeps equal initializers once gives the others by nodes, which the reader knows.
        named = {entry.name for entry in self._file.initializer}
        named.update(name for node in self._file.node for name in node.output)
        for name, parameter in self._parameters.items():
            if name not in named:
                raise NoProgram(f"has no tensor {name!r}")
            values[name] = self.recorder.stand_in(torch.empty(parameter.shape, device=META), name)
        for initializer in self._file.initializer:
            if initializer.name in self._parameters:
                continue
            if initializer.name not in self._constants:
                self._constants[initializer.name] = _constant(initializer)
            values[initializer.name] = self._constants[initializer.name]
        inputs = [entry for entry in self._file.input if entry.name not in values]
        if len(inputs) != 1:
            raise NoProgram(f"takes {len(inputs)} tensors")
        kind = inputs[0].type.tensor_type.elem_type
        dtype = torch.float32 if kind == onnx.TensorProto.FLOAT else torch.int64
        images = torch.empty((batch, *self._graph.input_shape), dtype=dtype, device=META)
        self.recorder.input(images)
        values[inputs[0].name] = images
        return values

    def _run(self, node: onnx.NodeProto, values: dict[str, Tensor]) -> None:
        if all(name in values for name in node.output):
            return
        function = OPERATORS.get(node.op_type) if not domain_of(node.domain) else None
        if node.op_type == "BatchNormalization":
            function = self._batch_norm(node.input[1])
        if function is None:
            raise NoProgram(f"has the operator {node.op_type} at node {node.name!r}", node.name)
        inputs = [values[name] if name else None for name in node.input]
        try:
            result = function(attributes_of(node, self._opset), inputs)
        except (NotRun, RuntimeError, KeyError, IndexError, TypeError, ValueError, AssertionError) as failure:
            reason = " ".join(str(failure).split())[:200]
            sentence = f"has node {node.name!r} ({node.op_type}), which {reason}"
            raise NoProgram(sentence, node.name) from failure
        results = [result] if isinstance(result, Tensor) else list(result)
        values.update(zip(node.output, results, strict=False))

    def _batch_norm(self, weight: str) -> Operator:
        """A batch norm by running statistics, so that the recorder knows it."""

        def run(attrs: Attrs, inputs: Inputs) -> Tensor:
            x, scale, bias = inputs[:3]
            assert x is not None
            # Exporters keep equal tensors once: those of the file may be a parameter's too.
            mean = self._constants.setdefault(f"{weight} mean", torch.zeros(x.shape[1]))
            variance = self._constants.setdefault(f"{weight} variance", torch.ones(x.shape[1]))
            self._modules[id(mean)] = module_of(weight)
            result: Tensor = torch.ops.aten.native_batch_norm(
                x, scale, bias, mean, variance, False, 0.0, attrs.get("epsilon", 1e-5)
            )[0]
            return result

        return run


def _constant(initializer: onnx.TensorProto) -> Tensor:
    """Its values; zeros for statistics of norms, which a client leaves at home."""
    try:
        return tensor_of(initializer)
    except (ValueError, TypeError):
        return torch.zeros(tuple(initializer.dims))
