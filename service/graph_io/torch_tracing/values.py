"""Tracing with values, for networks that look at their numbers.

A loop that ends when every position has halted, a distribution that checks its arguments, the lengths of
padded sequences: such a network can be followed only where its numbers are. It computes what it computes,
on copies of its own parameters, and each of its tensors has a shadow without memory. The handlers see the
shadows: what a call of torch is does not depend on how the network was run.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from service.errors import LimitExceeded
from service.graph_io.archgraph import AttrValue
from service.graph_io.torch_tracing.calls import approximate
from service.graph_io.torch_tracing.nested import map_tensors, tensors_in
from service.graph_io.torch_tracing.recorder import Recorder, function_name, is_question


class ValueRecorder(TorchFunctionMode):
    """Computes the calls made inside its `with` block, and has a recorder write them down.

    max_steps: a loop that has not ended after so many steps is given up. Raises LimitExceeded.
    """

    def __init__(self, recorder: Recorder, max_steps: int) -> None:
        super().__init__()
        self.recorder = recorder
        self.max_steps = max_steps
        # By the tensor, for as long as the network keeps it.
        self._shadows: MutableMapping[Tensor, Tensor] = WeakTensorKeyDictionary()

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if is_question(func) or (out is not None and next(tensors_in(out), None) is None):
            return out
        shadows = self._shadowed(tuple(args)), self._shadowed(kwargs)
        try:
            described = self.recorder.__torch_function__(func, types, *shadows)
        except Exception:  # a shape that only the numbers tell; whatever it is, the result is at hand
            described = None
        if len(list(tensors_in(described))) == len(list(tensors_in(out))):
            self._pair(out, described)
        else:
            self._pair_unclear(func, args, shadows, out)
        if len(self.recorder.steps) > self.max_steps:
            raise LimitExceeded(
                f"The network has not ended after {self.max_steps:,} steps.",
                limit=self.max_steps,
                value=len(self.recorder.steps),
            )
        return out

    # Values

    def step_of(self, value: Any) -> int | None:
        shadow = self._shadows.get(value) if isinstance(value, Tensor) else None
        return None if shadow is None else self.recorder.step_of(shadow)

    def bind(self, tensor: Tensor, step: int) -> Tensor:
        self.recorder.bind(self.shadow(tensor), step)
        return tensor

    def input(self, tensor: Tensor) -> None:
        self.recorder.input(self.shadow(tensor))

    def stand_in(self, parameter: Tensor, name: str) -> Tensor:
        """A copy of a parameter, known to the recorder."""
        copy = self.constant(parameter)
        self.recorder.parameter(self.shadow(copy), name)
        return copy.requires_grad_(parameter.requires_grad)

    def constant(self, tensor: Tensor) -> Tensor:
        """A copy of a buffer."""
        return tensor.detach().clone()

    # Shadows

    def shadow(self, tensor: Tensor) -> Tensor:
        """The tensor without memory that the recorder knows a tensor by."""
        shadow = self._shadows.get(tensor)
        if shadow is None or not _alike(shadow, tensor):
            step = None if shadow is None else self.recorder.step_of(shadow)
            shadow = self._shadows[tensor] = self.recorder.empty(_shape(tensor), tensor.dtype)
            if step is not None:
                self.recorder.bind(shadow, step)
        return shadow

    def _shadowed(self, values: Any) -> Any:
        return map_tensors(values, self.shadow)

    def _pair(self, out: Any, described: Any) -> None:
        """What a handler made becomes the shadow of what torch computed."""
        for tensor, shadow in zip(tensors_in(out), tensors_in(described), strict=True):
            step = self.recorder.step_of(shadow)
            if tensor not in self._shadows and _alike(shadow, tensor):
                self._shadows[tensor] = shadow
            elif step is not None and self._shadows.get(tensor) is not shadow:
                # A tensor that went into the call, or whose shape depends on numbers.
                self.recorder.steps[step].shape = _shape(tensor)
                self.bind(tensor, step)

    def _pair_unclear(self, func: Any, args: Sequence[Any], shadows: Any, out: Any) -> None:
        """A call that no handler could follow: some function of its tensors."""
        sources = tuple(self.recorder.sources(shadows))
        if not sources:
            return
        name = function_name(func)
        attrs: dict[str, AttrValue] = {"kind": name.strip("_"), **approximate("it depends on values")}
        written = args[0] if args and (out is None or out is args[0]) else None
        for tensor in (written,) if isinstance(written, Tensor) else tensors_in(out):
            op = "unary" if len(sources) == 1 else "merge"
            step = self.recorder.add(op, sources, shape=_shape(tensor), attrs=attrs)
            if tensor is written:
                self.recorder.overwrite(self.shadow(tensor), step)
            else:
                self.bind(tensor, step)


def _shape(tensor: Tensor) -> tuple[int, ...]:
    """Of a nested tensor, whose rows differ in length: that of all its rows, one behind the other."""
    return tuple((tensor.values() if tensor.is_nested else tensor).shape)


def _alike(shadow: Tensor, tensor: Tensor) -> bool:
    return tuple(shadow.shape) == _shape(tensor) and shadow.dtype == tensor.dtype
