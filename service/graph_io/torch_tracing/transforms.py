"""Functions of torch that a torch function mode does not see whole.

torch.vmap and torch.func.grad wrap tensors before the function that they are given sees them, and unwrap
what it returns, without a call that a mode could write down: what they return becomes some function of what
went in and of what was computed inside. flex_attention compiles itself, which no mode survives; while a
module is traced it stays an operator.

The names that are replaced here for the time of a trace are not public; where a version of torch lacks one,
nothing is replaced.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import ModuleType
from typing import Any

from service.graph_io.torch_tracing.calls import approximate
from service.graph_io.torch_tracing.nested import tensors_in
from service.graph_io.torch_tracing.recorder import Recorder
from service.graph_io.torch_tracing.values import ValueRecorder

_TRANSFORMS = (
    ("torch._functorch.apis", "vmap_impl", "vmap"),
    ("torch._functorch.eager_transforms", "grad_impl", "grad"),
    ("torch._functorch.eager_transforms", "grad_and_value_impl", "grad_and_value"),
)
_FLEX_ATTENTION = ("torch.nn.attention.flex_attention", "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG")


@contextmanager
def followed_transforms(recorder: Recorder, mode: Recorder | ValueRecorder) -> Iterator[None]:
    """Inside the block, what these functions return is known to the mode."""
    with ExitStack() as replaced:
        for module_name, name, kind in _TRANSFORMS:
            module = sys.modules.get(module_name)
            original = getattr(module, name, None)
            if module is not None and original is not None:
                _replace(replaced, module, name, partial(_followed, recorder, mode, original, kind))
        # Importing it takes a second. A network that does so while it runs is refused, and run again.
        module = sys.modules.get(_FLEX_ATTENTION[0])
        if module is not None and hasattr(module, _FLEX_ATTENTION[1]):
            _replace(replaced, module, _FLEX_ATTENTION[1], True)
        yield


def _replace(stack: ExitStack, module: ModuleType, name: str, value: Any) -> None:
    stack.callback(setattr, module, name, getattr(module, name))
    setattr(module, name, value)


def _followed(
    recorder: Recorder,
    mode: Recorder | ValueRecorder,
    original: Callable[..., Any],
    kind: str,
    *args: Any,
    **kwargs: Any,
) -> Any:
    start = len(recorder.steps)
    out = original(*args, **kwargs)
    inside = range(start, len(recorder.steps))
    read = {source for step in inside for source in recorder.steps[step].reads}
    known = (mode.step_of(tensor) for tensor in tensors_in((args, kwargs)))
    sources = tuple(
        dict.fromkeys([*(step for step in known if step is not None), *(s for s in inside if s not in read)])
    )
    if sources:
        op = "unary" if len(sources) == 1 else "merge"
        attrs = {"kind": kind, **approximate("it is a transformed function")}
        for tensor in tensors_in(out):
            mode.bind(tensor, recorder.add(op, sources, shape=tuple(tensor.shape), attrs=dict(attrs)))
    return out
