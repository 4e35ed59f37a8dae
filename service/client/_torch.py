"""The parts that touch torch. Imported only when the caller passes torch objects or asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import torch

from service.client.applied import Applied
from service.graph_io.torch_tracing.wrappers import parts_of, unwrapped, without_wrappers
from service.weights.blocks import Array, Block

Match = tuple[torch.nn.Parameter, Block]
_DTYPE_NAMES = {torch.float32: "float32", torch.float16: "float16"}


def tensors_of(arrays: Mapping[str, Array]) -> dict[str, torch.Tensor]:
    """Tensors on the arrays' own memory."""
    return {name: _tensor(array) for name, array in arrays.items()}


def _tensor(array: Array) -> torch.Tensor:
    if array.dtype == ml_dtypes.bfloat16:
        # NumPy's bfloat16 is foreign to torch: hand over the bits.
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def match(module: torch.nn.Module, blocks: Mapping[str, Block]) -> tuple[Applied, list[Match]]:
    """Which block goes into which parameter. A tied parameter has several names, and one inside a wrapper,
    such as torch.compile's, also that without the wrapper; any of them will do. One with
    requires_grad=False gets none, and one without numbers needs none.
    """
    names_of: dict[int, list[str]] = {}
    parameters: dict[int, torch.nn.Parameter] = {}
    for name, parameter in (*module.named_parameters(remove_duplicate=False), *_without_wrappers(module)):
        if parameter.numel() == 0:
            continue
        names_of.setdefault(id(parameter), []).append(name)
        parameters[id(parameter)] = parameter

    applied: list[str] = []
    missing: list[str] = []
    mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    frozen: list[str] = []
    matches: list[Match] = []
    for key, names in names_of.items():
        parameter = parameters[key]
        known_names = [candidate for candidate in names if candidate in blocks]
        name = known_names[0] if known_names else names[0]
        if not parameter.requires_grad:
            frozen.append(name)
        elif not known_names:
            missing.append(name)
        elif tuple(parameter.shape) != blocks[name].stored_shape:
            mismatched[name] = (tuple(parameter.shape), blocks[name].stored_shape)
        else:
            applied.append(name)
            matches.append((parameter, blocks[name]))
    known = {name for names in names_of.values() for name in names}
    unexpected = tuple(name for name in blocks if name not in known)
    report = Applied(tuple(applied), tuple(missing), unexpected, mismatched, tuple(frozen))
    return report, matches


def _without_wrappers(module: torch.nn.Module) -> list[tuple[str, torch.nn.Parameter]]:
    """The parameters by their names without wrappers, if there are any."""
    parts = parts_of(module)
    if len(parts) == sum(1 for _ in module.modules()):
        return []
    with without_wrappers(parts):
        return list(unwrapped(module).named_parameters(remove_duplicate=False))


def write_parameters(matches: Sequence[Match], dtype: str) -> None:
    """Overwrite the parameters in place. One on the CPU that has the answer's number format is expanded right
    into its memory.
    """
    with torch.no_grad():
        for parameter, block in matches:
            memory = _memory_of(parameter, dtype)
            if memory is None:
                parameter.copy_(_tensor(block.expand(dtype)))
            else:
                block.expand(dtype, out=memory)
                # Written behind autograd's back: tell it, so that a graph in flight notices.
                torch.autograd.graph.increment_version(parameter)


def _memory_of(parameter: torch.nn.Parameter, dtype: str) -> Any:
    direct = (
        parameter.device.type == "cpu"
        and parameter.is_contiguous()
        and _DTYPE_NAMES.get(parameter.dtype) == dtype
        and type(parameter.data) is torch.Tensor
    )
    return parameter.detach().numpy() if direct else None
