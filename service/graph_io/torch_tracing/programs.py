"""The program of a module: recorded twice on tensors without memory, with batches of two sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from service.graph_io.program import Program
from service.graph_io.torch_tracing.nested import map_tensors, tensors_in
from service.graph_io.torch_tracing.program_recorder import BATCHES, NoProgram, ProgramRecorder, merged
from service.graph_io.torch_tracing.recorder import META
from service.graph_io.torch_tracing.stand_ins import borrowed


def record_program(
    modules: list[nn.Module], names: dict[int, str], call: Callable[[Any], Any], example: Any
) -> Program:
    """What the first of the modules computes in evaluation, exactly.

    modules: the network and all its parts. names: of its parameters, by identity. call: runs the network
    on an example. example: what it is called with; its only tensor has the batch first.

    Raises NoProgram if it takes several tensors, looks at the values of its features, draws random numbers,
    calls what is no function of torch, or computes something else for another batch.
    """
    own = (parameter for module in modules for parameter in module.parameters(recurse=False))
    values = {names[id(p)]: p for p in own if id(p) in names and not p.requires_grad}
    paths = _norms_by_mean(modules[0])
    records, constants = [], []
    for batch in BATCHES:
        recorder = ProgramRecorder(values, paths)
        arguments = map_tensors(example, partial(_of_batch, batch))
        inputs = list(tensors_in(arguments))
        if len(inputs) != 1:
            raise NoProgram(f"takes {len(inputs)} tensors")
        recorder.input(inputs[0])
        lent = borrowed(modules, names, recorder, training=False)
        with lent, torch.enable_grad(), recorder, _ListsAsTensors():
            result = call(arguments)
        records.append(recorder.program(_logits(result)))
        constants.append(recorder.constants)
    return merged(records[0], records[1], constants)


class _ListsAsTensors(TorchFunctionMode):
    """Lists of indices become tensors before torch makes them into tensors without values."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            args = (args[0], _index(args[1]), *args[2:])
        return func(*args, **(kwargs or {}))


def _index(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_index(item) for item in value)
    return torch.tensor(value) if isinstance(value, list) else value


def _norms_by_mean(model: nn.Module) -> dict[int, str]:
    """Paths of modules with running statistics, by the identity of the running mean."""
    return {
        id(buffer): path.removesuffix(".running_mean")
        for path, buffer in model.named_buffers()
        if path.endswith(".running_mean")
    }


def _of_batch(batch: int, tensor: Tensor) -> Tensor:
    """A tensor like this one, without memory, with a batch of this size."""
    return torch.empty((batch, *tensor.shape[1:]), dtype=tensor.dtype, device=META)


def _logits(result: Any) -> Tensor:
    """The first tensor that a network returns: its classes, before what else it tells."""
    tensor = next(tensors_in(result), None)
    if tensor is None:
        raise NoProgram("returns no tensor")
    return tensor
