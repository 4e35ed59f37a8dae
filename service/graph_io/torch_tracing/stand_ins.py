"""Lending a module stand-ins for its tensors, and giving everything back as it was.

While a module is traced, every parameter and buffer is replaced by a tensor without memory, or by a copy,
and it runs in the mode that the trace wants. Afterwards its attributes, containers, buffers, hooks and mode
are the objects they were before, also where the forward pass stored something (a cache of position tables, a
counter). Random number generators are put back too. What a forward pass writes into objects that are no
modules, lists, dictionaries or sets of a module stays written.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from service.graph_io.torch_tracing.saved_containers import CONTAINERS, SavedContainer, saved_container

_SEED = 0
_PLAIN_MAPPINGS = (dict, OrderedDict)


class Lender(Protocol):
    """What makes stand-ins, and knows them again while the modules run."""

    def stand_in(self, parameter: Tensor, name: str) -> Tensor:
        """A stand-in for the parameter of this name."""

    def constant(self, tensor: Tensor) -> Tensor:
        """A stand-in for a buffer."""


@contextmanager
def borrowed(
    modules: list[nn.Module], names: dict[int, str], lender: Lender, *, training: bool
) -> Iterator[None]:
    """Inside the block the modules hold stand-ins of their parameters and buffers, and random numbers are the
    same each time.

    names: name of each parameter by its identity; one without a name is lent as a constant. A parameter that
        two modules share gets one stand-in.
    """
    saved = [_SavedTensors(module) if _keeps_to_itself(module) else _Saved(module) for module in modules]
    stand_ins: dict[int, Tensor] = {}
    generators = (torch.get_rng_state(), random.getstate(), np.random.get_state())
    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        # The fused transformer layers of torch hide their parts.
        torch.backends.mha.set_fastpath_enabled(False)
        for module in modules:
            _lend(module, names, stand_ins, lender)
        for module, state in zip(modules, saved, strict=True):
            if isinstance(state, _Saved):
                _lend_attributes(module, lender)
            module.__dict__["training"] = training
        torch.default_generator.manual_seed(_SEED)
        random.seed(_SEED)
        np.random.seed(_SEED)
        yield
    finally:
        # Each step runs, whatever another one raises: nobody's weights may stay lent.
        with ExitStack() as steps:
            steps.callback(np.random.set_state, generators[2])
            steps.callback(random.setstate, generators[1])
            steps.callback(torch.set_rng_state, generators[0])
            steps.callback(torch.backends.mha.set_fastpath_enabled, fast_path)
            for state in saved:
                steps.callback(state.restore)


@contextmanager
def unchanged(modules: list[nn.Module]) -> Iterator[None]:
    """After the block the modules' attributes, and the contents of their containers, are what they were. A
    module may remember what it computed.
    """
    saved = [_Saved(module) for module in modules]
    try:
        yield
    finally:
        with ExitStack() as steps:
            for state in saved:
                steps.callback(state.restore)


def _lend(module: nn.Module, names: dict[int, str], stand_ins: dict[int, Tensor], lender: Lender) -> None:
    attributes = module.__dict__
    parameters = attributes["_parameters"]
    for key, parameter in parameters.items():
        if parameter is None:
            continue
        stand_in = stand_ins.get(id(parameter))
        if stand_in is None:
            name = names.get(id(parameter))
            stand_in = lender.constant(parameter) if name is None else lender.stand_in(parameter, name)
            stand_ins[id(parameter)] = stand_in
        parameters[key] = stand_in
    buffers = attributes["_buffers"]
    for key, buffer in buffers.items():
        if buffer is not None:
            buffers[key] = lender.constant(buffer)


def _lend_attributes(module: nn.Module, lender: Lender) -> None:
    """Stand-ins for tensors that are attributes: no buffers, but they could be."""
    attributes = module.__dict__
    for key, value in attributes.items():
        if isinstance(value, Tensor):
            attributes[key] = lender.constant(value)
    if isinstance(module, nn.RNNBase):
        attributes["_flat_weights"] = [
            attributes["_parameters"].get(name) for name in module._flat_weights_names
        ]


def _keeps_to_itself(module: nn.Module) -> bool:
    """Whether a module changes nothing of itself but buffers when it runs: torch's own layers without
    hooks.

    Most modules of a network are such, and saving only their tensors makes a trace a third faster.
    """
    attributes = module.__dict__
    return (
        type(module).__module__.startswith("torch.nn.modules.")
        and not attributes["_forward_hooks"]
        and not attributes["_forward_pre_hooks"]
        and "forward" not in attributes
        and not isinstance(module, nn.RNNBase)
    )


class _SavedTensors:
    """A module's parameters, buffers and mode."""

    __slots__ = ("attributes", "buffers", "parameters", "training")

    def __init__(self, module: nn.Module) -> None:
        self.attributes = module.__dict__
        self.training = self.attributes["training"]
        self.parameters = self.attributes["_parameters"].copy()
        self.buffers = self.attributes["_buffers"].copy()

    def restore(self) -> None:
        self.attributes["training"] = self.training
        self.attributes["_parameters"].update(self.parameters)
        self.attributes["_buffers"].update(self.buffers)


class _Saved:
    """A module's attributes and the contents of its containers."""

    __slots__ = ("attributes", "containers", "contents", "empty", "tensors")

    def __init__(self, module: nn.Module) -> None:
        self.tensors = _SavedTensors(module)
        self.attributes = module.__dict__
        self.contents = self.attributes.copy()
        # Most containers of a module are its hooks, of which it has none.
        self.empty: list[dict[Any, Any]] = []
        self.containers: list[SavedContainer] = []
        for value in self.contents.values():
            if type(value) in _PLAIN_MAPPINGS and not value:
                self.empty.append(value)
            elif issubclass(type(value), CONTAINERS):
                self.containers.append(saved_container(value))

    def restore(self) -> None:
        for mapping in self.empty:
            if mapping:
                mapping.clear()
        with ExitStack() as steps:
            for container in self.containers:
                steps.callback(container.restore)
            steps.callback(self.tensors.restore)
            steps.callback(self._restore_attributes)

    def _restore_attributes(self) -> None:
        now = self.attributes
        if len(now) != len(self.contents) or any(
            now.get(key) is not old for key, old in self.contents.items()
        ):
            now.clear()
            now.update(self.contents)
