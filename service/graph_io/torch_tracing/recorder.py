"""The torch function mode that writes down what a network computes while it runs without memory.

Every call into torch's Python functions passes through the mode. A handler (`handlers/`) writes a step
and makes an empty tensor of the result's shape; convolutions and the like are never computed. What no
handler knows runs as it is (on the meta device that costs nothing) and is written down as "some function
of these tensors".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from service.graph_io.archgraph import AttrValue
from service.graph_io.functions import ARITHMETIC, function_of
from service.graph_io.torch_tracing.calls import approximate, bound
from service.graph_io.torch_tracing.nested import map_tensors, tensors_in
from service.graph_io.torch_tracing.overloads import plain_function
from service.graph_io.torch_tracing.steps import INPUT, PARAM, Step

Handler = Callable[..., Any]

# Methods that share their name with another function of the table: x.unfold(axis, size, step) is a view of
# windows, F.unfold cuts patches.
_OTHER_MEANING = {Tensor.unfold: "windows"}

META = torch.device("meta")

# Handlers by the name of the function they stand for; filled by the modules of `handlers`.
HANDLERS: dict[str, Handler] = {}
# Where one name means different argument orders: by the function itself.
EXACT_HANDLERS: dict[Any, Handler] = {}
# Of each function that was called: its handler, and the function that the handler is told of.
_resolved: dict[Any, tuple[Handler, Any]] = {}


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Register a handler: called with the recorder, the function, and the call's own arguments."""

    def register(handler: Handler) -> Handler:
        for name in names:
            HANDLERS[name] = handler
        return handler

    return register


class Recorder(TorchFunctionMode):
    """Records the calls made inside its `with` block, on tensors without memory. Nothing is ever computed.

    batch: size of the batch that the network is traced with.
    computes: whether tensors have values (a subclass's do), which what no handler knows is computed from.
    """

    computes = False

    def __init__(self, batch: int = 1) -> None:
        super().__init__()
        self.batch = batch
        self.steps: list[Step] = []
        self._step_of: dict[int, int] = {}
        # Tensors stay alive: the identity of a freed one could come back as another's.
        self._kept: list[Tensor] = []
        self._base_of: dict[int, Tensor] = {}
        self._likenesses: dict[tuple[torch.Size, torch.dtype], Tensor] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        known = _resolved.get(func)
        if known is None:
            plain = plain_function(func)
            known = _resolved[func] = _find_handler(plain), plain
        handler, func = known
        if kwargs:
            return handler(self, func, *args, **kwargs)
        return handler(self, func, *args)

    # Values

    def input(self, tensor: Tensor) -> None:
        self.bind(tensor, self.add(INPUT, shape=tuple(tensor.shape)))

    def parameter(self, tensor: Tensor, name: str) -> None:
        self.steps.append(Step(PARAM, shape=tuple(tensor.shape), live=False, name=name))
        self.bind(tensor, len(self.steps) - 1)

    def stand_in(self, parameter: Tensor, name: str) -> Tensor:
        """A tensor without memory for a parameter."""
        stand_in = self.likeness(parameter)
        self.parameter(stand_in, name)
        return stand_in

    def constant(self, tensor: Tensor) -> Tensor:
        """A tensor without memory for a buffer."""
        return self.likeness(tensor)

    def likeness(self, tensor: Tensor) -> Tensor:
        """A new tensor without memory, of the same shape and number format."""
        kind = tensor.shape, tensor.dtype
        known = self._likenesses.get(kind)
        if known is None:
            known = self._likenesses[kind] = self.empty(*kind)
        # Networks have hundreds of tensors of a few shapes, and this is several times as fast as `empty`.
        return known.detach()

    def step_of(self, value: Any) -> int | None:
        """The step that made a tensor; None for fixed numbers and for whatever is no tensor."""
        return self._step_of.get(id(value))

    def bind(self, tensor: Tensor, step: int) -> Tensor:
        self._step_of[id(tensor)] = step
        self._kept.append(tensor)
        return tensor

    def view(self, out: Tensor, of: Tensor) -> None:
        """`out` shares memory with `of`: writing into it changes `of` too."""
        self._base_of[id(out)] = of
        self._kept.append(out)

    def overwrite(self, tensor: Tensor, step: int) -> Tensor:
        """`tensor` was written in place; what it is a view of has changed with it."""
        self.bind(tensor, step)
        base = self._base_of.get(id(tensor))
        while base is not None:
            before = self.step_of(base)
            sources = (step,) if before is None else (before, step)
            op = "unary" if before is None else "merge"
            self.bind(base, self.add(op, sources, shape=tuple(base.shape), attrs={"kind": "write"}))
            base = self._base_of.get(id(base))
        return tensor

    # Steps

    def add(
        self,
        op: str,
        sources: tuple[int, ...] = (),
        *,
        shape: tuple[int, ...],
        weights: tuple[tuple[str, int], ...] = (),
        attrs: dict[str, AttrValue] | None = None,
    ) -> int:
        """Write a step down; its number."""
        steps = self.steps
        live = op == INPUT
        for source in sources:
            live = live or steps[source].live
        for _, source in weights:
            live = live or steps[source].live
        steps.append(Step(op, sources, weights, attrs or {}, shape, live))
        return len(steps) - 1

    def make(
        self,
        op: str,
        sources: tuple[int, ...],
        shape: Sequence[int],
        dtype: torch.dtype,
        *,
        weights: tuple[tuple[str, int], ...] = (),
        attrs: dict[str, AttrValue] | None = None,
    ) -> Tensor:
        """Write a step down and make a tensor for its result, without computing it."""
        size = tuple(shape)
        return self.bind(
            self.empty(size, dtype), self.add(op, sources, shape=size, weights=weights, attrs=attrs)
        )

    def empty(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=META)

    def has_no_values(self, *values: Any) -> bool:
        """Whether all tensors among the values are without memory: fixed numbers of which only the shape is
        known need no computing.
        """
        return all(v.device is META or v.device == META for v in values if isinstance(v, Tensor))

    def result(
        self, op: str, sources: tuple[int, ...], out: Any, attrs: dict[str, AttrValue] | None = None
    ) -> Any:
        """Write a step down for a result that torch made: a tensor, or several from one call."""
        if isinstance(out, Tensor):
            return self.bind(out, self.add(op, sources, shape=tuple(out.shape), attrs=attrs))
        for place, tensor in enumerate(tensors_in(out)):
            # The values of the first result are the function; the others (indices, counts) are not in its
            # row.
            of_result = (
                attrs if place == 0 else {**(attrs or {}), **approximate(f"it is result {place} of a call")}
            )
            self.bind(tensor, self.add(op, sources, shape=tuple(tensor.shape), attrs=of_result))
        return out

    def run(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """Call torch. Tensors that a network makes on the CPU meanwhile follow the others to meta."""
        try:
            return func(*args, **kwargs)
        except (RuntimeError, NotImplementedError):
            if self.computes or not any(t.device != META for t in tensors_in((args, kwargs))):
                raise
        return func(*map_tensors(args, on_meta), **map_tensors(kwargs, on_meta))

    def other(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """A function that no handler knows: its tensors go in, its result comes out."""
        out = self.run(func, *args, **kwargs)
        sources = tuple(self.sources((args, kwargs)))
        if not sources:
            return out
        name = function_name(func)
        kind = _OTHER_MEANING.get(func, name.strip("_"))
        written = kwargs.get("out", args[0] if args else None)
        if isinstance(written, Tensor) and (out is written or name == "__setitem__"):
            attrs: dict[str, AttrValue] = {"kind": kind, **approximate("it writes into a tensor")}
            op = "unary" if len(sources) == 1 else "merge"
            self.overwrite(written, self.add(op, sources, shape=tuple(written.shape), attrs=attrs))
            return out
        attrs, sources = self._described(kind, sources, args, kwargs)
        return self.result("unary" if len(sources) == 1 else "merge", sources, out, attrs)

    def _described(
        self, kind: str, sources: tuple[int, ...], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[dict[str, AttrValue], tuple[int, ...]]:
        """Attributes and sources of a function that no handler knows. It can be run if its row says what the
        arguments behind its tensors are.
        """
        operands = [self._step_of.get(id(value)) for value in args if isinstance(value, Tensor)]
        leading = 0
        while leading < len(args) and isinstance(args[leading], Tensor):
            leading += 1
        steps = tuple(step for step in operands if step is not None)
        if kind in ARITHMETIC:
            return {"kind": kind, **approximate("one of its operands is a constant tensor")}, sources
        row = function_of("unary" if len(steps) == 1 else "merge", kind, len(steps))
        if row is None:
            return {"kind": kind}, sources
        if len(operands) != leading or len(steps) != leading or any(tensors_in(kwargs)):
            return {"kind": kind, **approximate("one of its operands is a constant tensor")}, sources
        return {"kind": kind, **bound(row.arguments, args[leading:], kwargs, self.batch)}, steps

    def sources(self, values: Any) -> list[int]:
        """Steps of all tensors in nested arguments, each once."""
        indices: dict[int, None] = {}
        for tensor in tensors_in(values):
            step = self._step_of.get(id(tensor))
            if step is not None:
                indices[step] = None
        return list(indices)


def function_name(func: Any) -> str:
    name = getattr(func, "__name__", "")
    if name in ("__get__", "__set__", "__delete__"):
        # A property of Tensor, such as x.T: named by its descriptor.
        owner = getattr(getattr(func, "__self__", None), "__name__", "")
        return str(owner) if name == "__get__" else f"{owner}.{name}"
    return str(name).rsplit("::", 1)[-1].split(".", 1)[0]


def on_meta(tensor: Tensor) -> Tensor:
    """The tensor itself, or one like it, without memory."""
    return tensor if tensor.device == META else torch.empty_like(tensor, device=META)


def _find_handler(func: Any) -> Handler:
    if func in EXACT_HANDLERS:
        return EXACT_HANDLERS[func]
    return HANDLERS.get(function_name(func), _unknown)


def _unknown(recorder: Recorder, func: Any, *args: Any, **kwargs: Any) -> Any:
    return recorder.other(func, *args, **kwargs)


def is_question(func: Any) -> bool:
    """Whether a function asks about a tensor, or makes fresh numbers, which no step stands for."""
    return _find_handler(plain_function(func)) is _plain


def _plain(recorder: Recorder, func: Any, *args: Any, **kwargs: Any) -> Any:
    """Questions about a tensor, answered by the tensor."""
    return func(*args, **kwargs)


def register_plain(names: Iterable[str]) -> None:
    for name in names:
        HANDLERS[name] = _plain
