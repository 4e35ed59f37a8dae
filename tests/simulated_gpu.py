"""A GPU that is none: tensors that say they are on "cuda", and compute on the CPU what they are asked.

Like on a GPU, nothing gets to and from them but by a copy, and mixing them with tensors of the CPU is an
error (numbers without axes apart, as in torch). So code that forgets a device fails here, without a GPU and
with values to compare, and copies are counted. It does not show what CUDA's own kernels do, nor how fast.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

CUDA = torch.device("cuda", 0)
# What torch's own C++ code takes the tensors for, and asks for when it makes others like them.
_SEEN_INSIDE = torch.device("meta")
_ATEN = torch.ops.aten
_COPIES = (_ATEN.copy_, _ATEN._to_copy, _ATEN.to)


class OnGpu(Tensor):
    """inner: the values, on the CPU."""

    inner: Tensor
    device = CUDA  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, inner: Tensor) -> OnGpu:
        # A view made in inference mode shares the version of its base, which those made there do not have.
        with torch.inference_mode(False):
            wrapped: OnGpu = Tensor._make_wrapper_subclass(
                cls,
                inner.shape,
                inner.stride(),
                inner.storage_offset(),
                dtype=inner.dtype,
                device=_SEEN_INSIDE,
            )
        wrapped.inner = inner
        return wrapped

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class SimulatedGpu(TorchDispatchMode):
    """Inside it, tensors can be made on the GPU and copied to and from it.

    operations: how many ran there; views are none. to_gpu, to_cpu: copies.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.to_gpu = self.to_cpu = 0
        self._patches = ExitStack()

    def __enter__(self) -> SimulatedGpu:
        enter = self._patches.enter_context
        enter(patch("torch.cuda._lazy_init"))
        enter(patch("torch.cuda.is_available", lambda: True))
        enter(patch("torch.cuda.device_count", lambda: 1))
        # Modules move by exchanging their parameters: a parameter cannot take in a tensor of another class.
        enter(patch("torch.__future__._swap_module_params_on_conversion", True))
        # As FakeTensorMode does: `torch.tensor(..., device="cuda")` makes a tensor on the CPU and copies it.
        torch._C._set_only_lift_cpu_tensors(True)
        torch._C._ensureCUDADeviceGuardSet()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        torch._C._set_only_lift_cpu_tensors(False)
        self._patches.close()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        source, target = _way(func, args, kwargs)
        if source != target and func.overloadpacket in _COPIES:
            self.to_gpu += target == "cuda"
            self.to_cpu += target == "cpu"
        else:
            self.operations += target == "cuda" and not func.is_view
        return _run(func, args, kwargs)


def _way(func: Any, args: Any, kwargs: Any) -> tuple[str, str]:
    """The devices that an operation reads from and writes to. Errors: RuntimeError for a mixture."""
    if func.overloadpacket is _ATEN.copy_:
        return args[1].device.type, args[0].device.type
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = any(isinstance(tensor, OnGpu) for tensor in tensors)
    if there and any(tensor.ndim and not isinstance(tensor, OnGpu) for tensor in tensors):
        raise RuntimeError(f"{func}: tensors on {CUDA} and on the CPU together")
    source = "cuda" if there else "cpu"
    asked = kwargs.get("device")
    return source, source if asked is None else "cuda" if asked == _SEEN_INSIDE else torch.device(asked).type


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    source, target = _way(func, args, kwargs)
    inner_args, inner_kwargs = tree_map_only(OnGpu, lambda tensor: tensor.inner, (args, kwargs))
    if inner_kwargs.get("device") is not None:
        inner_kwargs = {**inner_kwargs, "device": torch.device("cpu")}
    result = func(*inner_args, **inner_kwargs)
    if source != target and func.overloadpacket is _ATEN.to:
        result = result.clone()  # inside, both devices are one, and nothing was copied
    if target != "cuda":
        return result
    # An operation in place answers with the tensor that it was given.
    given = {id(tensor.inner): tensor for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, OnGpu)}
    return tree_map_only(
        Tensor, lambda tensor: given[id(tensor)] if id(tensor) in given else OnGpu(tensor), result
    )
