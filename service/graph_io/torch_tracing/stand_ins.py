"""Lending a module tensors without memory, and giving everything back as it was.

While a module is traced, every parameter and buffer is replaced by an empty tensor, and it runs in the
mode that the trace wants. Afterwards its attributes, containers, buffers, hooks and mode are the objects
they were before, also where the forward pass stored something (a cache of position tables, a counter).
Random number generators are put back too. What a forward pass writes into objects that are no modules,
lists, dictionaries or sets of a module stays written.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from service.graph_io.torch_tracing.recorder import META, Recorder

_CONTAINERS = (dict, list, set)


@contextmanager
def borrowed(
    modules: list[nn.Module], names: dict[int, str], recorder: Recorder, *, training: bool
) -> Iterator[None]:
    """Inside the block the modules hold stand-ins of their parameters, known to the recorder, and buffers.

    names: name of each parameter by its identity. A parameter that two modules share gets one stand-in.
    """
    saved = [_Saved(module) for module in modules]
    stand_ins: dict[int, Tensor] = {}
    generators = (torch.get_rng_state(), random.getstate(), np.random.get_state())
    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        # The fused transformer layers of torch hide their parts.
        torch.backends.mha.set_fastpath_enabled(False)
        for module in modules:
            _lend(module, names, stand_ins, recorder)
            module.__dict__["training"] = training
        yield
    finally:
        for state in saved:
            state.restore()
        torch.backends.mha.set_fastpath_enabled(fast_path)
        torch.set_rng_state(generators[0])
        random.setstate(generators[1])
        np.random.set_state(generators[2])


def _lend(module: nn.Module, names: dict[int, str], stand_ins: dict[int, Tensor], recorder: Recorder) -> None:
    attributes = module.__dict__
    parameters = attributes["_parameters"]
    for key, parameter in parameters.items():
        if parameter is None:
            continue
        stand_in = stand_ins.get(id(parameter))
        if stand_in is None:
            stand_in = stand_ins[id(parameter)] = recorder.empty(parameter.shape, parameter.dtype)
            recorder.parameter(stand_in, names[id(parameter)])
        parameters[key] = stand_in
    buffers = attributes["_buffers"]
    for key, buffer in buffers.items():
        if buffer is not None:
            buffers[key] = _constant(buffer, recorder)
    for key, value in attributes.items():
        # Tensors that are no buffers but could be.
        if isinstance(value, Tensor):
            attributes[key] = _constant(value, recorder)
    if isinstance(module, nn.RNNBase):
        attributes["_flat_weights"] = [parameters.get(name) for name in module._flat_weights_names]


def _constant(tensor: Tensor, recorder: Recorder) -> Tensor:
    if recorder.device is META or tensor.device == META:
        return recorder.empty(tensor.shape, tensor.dtype)
    return tensor.detach().to(recorder.device, copy=True)


class _Saved:
    """A module's attributes and the contents of its containers."""

    __slots__ = ("attributes", "contents", "empty", "filled")

    def __init__(self, module: nn.Module) -> None:
        self.attributes = module.__dict__
        self.contents = self.attributes.copy()
        self.empty: list[Any] = []
        self.filled: list[tuple[Any, Any]] = []
        for value in self.contents.values():
            if isinstance(value, _CONTAINERS):
                if value:
                    self.filled.append((value, _copied(value)))
                else:
                    self.empty.append(value)

    def restore(self) -> None:
        for container in self.empty:
            if container:
                container.clear()
        for container, contents in self.filled:
            if isinstance(container, list):
                container[:] = contents
            else:
                container.clear()
                container.update(contents)
        now = self.attributes
        if len(now) != len(self.contents) or any(
            now.get(key) is not old for key, old in self.contents.items()
        ):
            now.clear()
            now.update(self.contents)


def _copied(container: Any) -> Any:
    for kind in _CONTAINERS:
        if isinstance(container, kind):
            return kind(container)
    return container
