"""All that the graph of a module depends on, as a value to compare: what the module is made of, without its
numbers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from functools import partial
from types import BuiltinFunctionType, EllipsisType, FunctionType, MethodType, ModuleType, NoneType
from typing import Any

import torch
from torch import Tensor, nn

Fingerprint = tuple[Any, ...]

_ATOMS = frozenset(
    {
        bool, int, float, complex, str, bytes, NoneType, EllipsisType, range, torch.dtype, torch.device,
        torch.layout, torch.memory_format, torch.Size,
    }
)  # fmt: skip
# Hooks that no forward pass calls.
_NOT_OF_FORWARD = frozenset(
    {
        "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks", "_state_dict_pre_hooks",
        "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks", "_non_persistent_buffers_set",
    }
)  # fmt: skip
_NAMES = (type, Enum)
_MAPPINGS = frozenset({dict, OrderedDict})


class _Plain:
    """An object whose whole state is its dictionary has this size."""


def fingerprint(module: nn.Module) -> Fingerprint | None:
    """Two equal ones mean the same graph, if no number of a tensor is looked at: classes and their methods,
    attributes, hooks, and of every tensor its shape, its number format and whether it is trainable. What the
    code reads elsewhere is not in it.

    None for a module that holds something whose state cannot be seen from here. It holds no reference to the
    module or to its tensors.
    """
    try:
        return _Walk().value(module)  # type: ignore[no-any-return]
    except Exception:  # foreign objects may raise anything: a lazy parameter has no shape
        return None


class _Opaque(Exception):
    """An object whose state cannot be seen."""


class _Walk:
    """Through one module. What is met again is a number, so a cycle ends."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._met: list[object] = []
        self._classes: dict[type, Fingerprint] = {}

    def value(self, value: Any) -> Any:
        kind = type(value)
        if kind in _ATOMS:
            return value
        handler = _CONTAINERS.get(kind)
        if handler is not None:
            return handler(self, value)
        if isinstance(value, _NAMES):
            return value
        number = self._numbers.get(id(value))
        if number is not None:
            return (number,)
        self._numbers[id(value)] = len(self._numbers)
        self._met.append(value)  # an object made on the way must not give its identity to another
        handler = _CODE.get(kind)
        if handler is not None:
            return handler(self, value)
        if isinstance(value, nn.Module):
            return self.module(value)
        if isinstance(value, Tensor):
            return kind, value.shape, value.dtype, value.device.type, value.requires_grad
        if kind.__basicsize__ == _Plain.__basicsize__:
            return kind, self._entries(vars(value))
        raise _Opaque

    def module(self, module: nn.Module) -> Fingerprint:
        # Most attributes of a network's modules are atoms or empty: those cost no call.
        kind, attributes = type(module), vars(module)
        code = self._classes.get(kind)
        if code is None:
            code = self._classes[kind] = self._code(kind)
        values = [
            value
            if type(value) in _ATOMS
            else None
            if name in _NOT_OF_FORWARD or (type(value) in _MAPPINGS and not value)
            else self.value(value)
            for name, value in attributes.items()
        ]
        return kind, code, tuple(attributes), tuple(values)

    def _code(self, kind: type[nn.Module]) -> Fingerprint:
        """Functions and fixed values of the user's own classes. Torch's stay as they are."""
        own = [each for each in kind.__mro__ if not each.__module__.startswith(("torch.", "builtins"))]
        entries = [(name, value) for each in own for name, value in vars(each).items()]
        return self.value(kind.forward), tuple(
            [
                (name, self.value(value))
                for name, value in entries
                if type(value) in _FIXED and not name.startswith("__")
            ]
        )

    def sequence(self, values: list[Any] | tuple[Any, ...]) -> Fingerprint:
        return type(values), *[value if type(value) in _ATOMS else self.value(value) for value in values]

    def mapping(self, values: dict[Any, Any]) -> Fingerprint:
        return type(values), self._entries(values)

    def members(self, values: set[Any] | frozenset[Any]) -> Fingerprint:
        if any(type(value) not in _ATOMS for value in values):
            raise _Opaque
        return type(values), frozenset(values)

    def function(self, function: FunctionType) -> Fingerprint:
        try:
            cells = [cell.cell_contents for cell in function.__closure__ or ()]
        except ValueError:  # a variable that has no value yet
            raise _Opaque from None
        return function.__code__, *map(self.value, (cells, function.__defaults__, function.__kwdefaults__))

    def method(self, method: MethodType) -> Fingerprint:
        return self.value(method.__func__), self.value(method.__self__)

    def builtin(self, function: BuiltinFunctionType) -> Any:
        if not isinstance(function.__self__, ModuleType | NoneType):
            raise _Opaque
        return function

    def application(self, application: partial[Any]) -> Fingerprint:
        return partial, *map(self.value, (application.func, application.args, application.keywords))

    def _entries(self, values: dict[Any, Any]) -> Fingerprint:
        return tuple([*map(self.value, values)]), tuple([*map(self.value, values.values())])


_CONTAINERS: dict[type, Callable[[_Walk, Any], Any]] = {
    list: _Walk.sequence,
    tuple: _Walk.sequence,
    dict: _Walk.mapping,
    OrderedDict: _Walk.mapping,
    set: _Walk.members,
    frozenset: _Walk.members,
}
_CODE: dict[type, Callable[[_Walk, Any], Any]] = {
    FunctionType: _Walk.function,
    MethodType: _Walk.method,
    BuiltinFunctionType: _Walk.builtin,
    partial: _Walk.application,
}
# What a class holds besides descriptors.
_FIXED = _ATOMS | _CONTAINERS.keys() | _CODE.keys()
