"""What a module of torch.export was exported with. It takes no other size of an axis that the export fixed,
and a batch of one is fixed if nothing else was said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from service.graph_io.torch_tracing.nested import map_tensors, tensors_in

Arguments = tuple[Any, ...]


def exported_calls(module: nn.Module, batch: int) -> Iterator[Arguments]:
    """Positional arguments like those of the export, as meta tensors: with a batch of this size if the export
    left it open, then with its own. Nothing for a module that was not exported, or was with keywords.
    """
    structure = getattr(module, "_in_spec", None)
    if not isinstance(module, GraphModule) or structure is None:
        return
    values = [node.meta.get("val") for node in module.graph.nodes if node.op == "placeholder"]
    arguments, keywords = structure.unflatten(values)
    if keywords or any(value is None for value in values):
        return
    own = map_tensors(arguments, lambda tensor: _like(tensor, None))
    free = map_tensors(arguments, lambda tensor: _like(tensor, batch))
    calls = [free, own] if _shapes(free) != _shapes(own) else [own]
    yield from calls


def _like(tensor: Tensor, batch: int | None) -> Tensor:
    """batch: for the first axis if the export left it open; None for the size that it had there."""
    sizes: list[int] = []
    for axis, size in enumerate(tensor.shape):
        if isinstance(size, int):
            sizes.append(size)
        else:
            sizes.append(batch if axis == 0 and batch is not None else size.node.hint or 1)
    return torch.empty(sizes, dtype=tensor.dtype, device="meta")


def _shapes(arguments: Arguments) -> list[torch.Size]:
    return [tensor.shape for tensor in tensors_in(arguments)]
