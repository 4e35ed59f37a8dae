"""Modules without memory for their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_META = torch.device("meta")
_FACTORIES = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn})


class WithoutMemory(TorchFunctionMode):
    """Inside the block, parameters are made on the meta device and their initialisation is skipped.

    torch.device("meta") would do the first but also initialise, slowly: what it calls imports torch's
    compiler, which takes seconds. And it would move the tables that constructors look into.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _FACTORIES and kwargs.get("device") is None:
            return func(*args, **{**kwargs, "device": _META})
        name = getattr(func, "__name__", "")
        if name.endswith("_") and not name.startswith("__"):
            written = args[0] if args else kwargs.get("tensor")
            if isinstance(written, Tensor) and written.device == _META:
                return written
        return func(*args, **kwargs)
