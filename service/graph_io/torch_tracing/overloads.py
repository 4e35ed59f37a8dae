"""Operators of torch by their full name, as the modules of torch.export call them:
`torch.ops.aten.conv2d.default(x, weight, bias, [1, 1])`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import BuiltinFunctionType, MethodDescriptorType
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

_NAMESPACE = "aten::"
_OWNERS = (torch._C._VariableFunctions, torch._C._nn, Tensor)
_NATIVE = (BuiltinFunctionType, MethodDescriptorType)


def plain_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of torch that an operator is: it takes the same arguments in the same order, and also
    those that the operator is too strict for. Whatever else is given, and an operator that torch has no
    such function for, comes back as it is.
    """
    if not isinstance(function, OpOverload) or not function._schema.name.startswith(_NAMESPACE):
        return function
    name = function._schema.name.removeprefix(_NAMESPACE)
    known = (getattr(owner, name, None) for owner in _OWNERS)
    # What is written in Python may take other arguments.
    return next((each for each in known if isinstance(each, _NATIVE)), function)
