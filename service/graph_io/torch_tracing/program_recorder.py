"""Records the calls that a network makes below torch's Python functions, as a `Program`.

The dispatch mode sees every operator with the arguments that torch itself settled on, so that a record is
exact: no default is guessed, no alias is missed. The network runs on tensors without memory; only what it
computes from fixed numbers on the CPU has values. It runs twice, with batches of two sizes: a number that
differs is one that grows with the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from service.graph_io.program import (
    Argument,
    BatchCount,
    Call,
    Constant,
    ConstantValue,
    Input,
    NumberFormat,
    ParameterValue,
    Program,
    Reference,
    Result,
    references_in,
)
from service.graph_io.program_functions import MAX_CONSTANT_BYTES, runs
from service.graph_io.torch_tracing.nested import map_tensors, tensors_in
from service.graph_io.torch_tracing.recorder import META, on_meta

# Two sizes of a batch that no layer has for its own, and that no small number divides both of.
BATCHES = (97, 102)

# Where the tensors are is up to who runs the program.
_PLACES = frozenset({"device", "layout", "pin_memory", "non_blocking"})
_BATCH_NORMS = frozenset({"native_batch_norm.default", "_native_batch_norm_legit_no_training.default"})


class NoProgram(Exception):
    """Why a network has no program, in words that follow "it".

    node: of a file, if it is one node's fault.
    """

    def __init__(self, reason: str, node: str | None = None) -> None:
        super().__init__(reason)
        self.node = node


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call. reads, writes: memory that it reads, and that it writes into."""

    call: Call
    reads: frozenset[int]
    writes: frozenset[int]


class ProgramRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the operators that run inside its `with` block.

    values: of the parameters that are kept as they are, by name: they become constants.
    modules: paths of the modules that own running means, by the identity of the mean.
    fold: what is computed from fixed numbers alone is a constant, not a call.
    """

    def __init__(
        self, values: Mapping[str, Tensor], modules: Mapping[int, str], *, fold: bool = False
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Recorded] = []
        self.constants: list[Tensor] = []
        self._values, self._modules, self._fold = values, modules, fold
        self._reference: dict[int, Reference] = {}
        self._constant_of: dict[int, int] = {}
        # Tensors stay alive: the identity of a freed one could come back as another's.
        self._kept: list[Tensor] = []
        self._fixed_memory: set[int] = set()

    # What `borrowed` asks for

    def stand_in(self, parameter: Tensor, name: str) -> Tensor:
        tensor = torch.empty(parameter.shape, dtype=parameter.dtype, device=META)
        kept = self._values.get(name)
        if kept is None:
            tensor.requires_grad_(tensor.is_floating_point())
            self._bind(tensor, ParameterValue(name))
        else:
            self._bind(tensor, self._constant(kept))
        self._fixed_memory.add(_memory(tensor))
        return tensor

    def constant(self, tensor: Tensor) -> Tensor:
        stand_in = torch.empty(tensor.shape, dtype=tensor.dtype, device=META)
        self._bind(stand_in, self._constant(tensor))
        self._fixed_memory.add(_memory(stand_in))
        return stand_in

    def input(self, tensor: Tensor) -> None:
        self._bind(tensor, Input())
        self._fixed_memory.add(_memory(tensor))

    # Calls

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._fold and not any(tensor.device == META for tensor in tensors_in((args, kwargs))):
            return func(*args, **kwargs)
        # Numbers may change with what is computed: they are written down first.
        arguments = tuple(self._argument(value) for value in args)
        keywords = tuple(
            (name, self._argument(value)) for name, value in kwargs.items() if name not in _PLACES
        )
        out = _run(func, args, kwargs)
        results = list(tensors_in(out))
        if not results:
            return out
        name = f"{func._schema.name.removeprefix('aten::')}.{func._overloadname}"
        call = Call(name, arguments, keywords, self._batch_norm(name, arguments))
        reads = frozenset(_memory(tensor) for tensor in tensors_in((args, kwargs)))
        self.calls.append(Recorded(call, reads, _written(func, args, kwargs)))
        for place, tensor in enumerate(out if isinstance(out, (list, tuple)) else (out,)):
            if isinstance(tensor, Tensor):
                self._bind(tensor, Result(len(self.calls) - 1, place))
        return out

    def program(self, output: Tensor) -> tuple[list[Call], Result]:
        """The calls that the output depends on, and the output among them.

        Raises NoProgram if a call cannot be run elsewhere.
        """
        end = self._reference.get(id(output))
        if not isinstance(end, Result):
            raise NoProgram("returns what no operator computed")
        needed = self._needed(end.call, _memory(output))
        number = {old: new for new, old in enumerate(needed)}
        calls = []
        for index in needed:
            recorded = self.calls[index]
            if not runs(recorded.call.function):
                raise NoProgram(f"calls {recorded.call.function}, which is not among the functions that run")
            if recorded.writes & self._fixed_memory:
                raise NoProgram(f"writes into its input or its parameters with {recorded.call.function}")
            calls.append(_renumbered(recorded.call, number))
        return calls, Result(number[end.call], end.place)

    def _needed(self, last: int, memory: int) -> list[int]:
        """Calls that the last one depends on, through their results or through what they write."""
        needed, reads = {last}, {memory}
        for index in range(len(self.calls) - 1, -1, -1):
            recorded = self.calls[index]
            if index not in needed and not recorded.writes & reads:
                continue
            needed.add(index)
            reads |= recorded.reads
            needed.update(ref.call for ref in recorded.call.references if isinstance(ref, Result))
        return sorted(needed)

    def _batch_norm(self, function: str, arguments: tuple[Argument, ...]) -> str | None:
        """The path of the module, for a normalisation by running statistics."""
        if function not in _BATCH_NORMS or (function.startswith("native") and arguments[5]):
            return None
        mean = arguments[3]
        if not isinstance(mean, ConstantValue):
            return ""
        return self._modules.get(id(self.constants[mean.index]), "")

    def _argument(self, value: Any) -> Argument:
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, Tensor):
            reference = self._reference.get(id(value))
            if reference is None:
                if value.device == META:
                    raise NoProgram("reads a tensor that came from nowhere")
                # What a file computes from numbers is never written into; what a module does may be.
                reference = self._constant(value if self._fold else value.detach().clone())
                self._bind(value, reference)
                self._fixed_memory.add(_memory(value))
            return reference
        if isinstance(value, torch.dtype | torch.memory_format):
            return NumberFormat(str(value).removeprefix("torch."))
        if isinstance(value, list | tuple):
            return tuple(self._argument(item) for item in value)
        if isinstance(value, torch.device | torch.layout):
            return None
        raise NoProgram(f"calls a function with {type(value).__name__}")

    def _constant(self, tensor: Tensor) -> ConstantValue:
        index = self._constant_of.get(id(tensor))
        if index is None:
            index = self._constant_of[id(tensor)] = len(self.constants)
            self.constants.append(tensor)
        return ConstantValue(index)

    def _bind(self, tensor: Tensor, reference: Reference) -> None:
        self._reference[id(tensor)] = reference
        self._kept.append(tensor)


def merged(
    first: tuple[list[Call], Result], second: tuple[list[Call], Result], constants: Sequence[Sequence[Tensor]]
) -> Program:
    """One program for all batches from the records of two.

    constants: of each record.

    Raises NoProgram if the two differ in more than sizes.
    """
    if len(first[0]) != len(second[0]) or first[1] != second[1]:
        raise NoProgram("computes something else for another size of the batch")
    used: dict[int, int] = {}
    calls = []
    for one, other in zip(first[0], second[0], strict=True):
        if one.function != other.function or [name for name, _ in one.keywords] != [
            name for name, _ in other.keywords
        ]:
            raise NoProgram("computes something else for another size of the batch")
        calls.append(
            Call(
                one.function,
                tuple(_grown(a, b) for a, b in zip(one.arguments, other.arguments, strict=True)),
                tuple(
                    (name, _grown(a, b))
                    for (name, a), (_, b) in zip(one.keywords, other.keywords, strict=True)
                ),
                one.batch_norm,
            )
        )
        for reference in one.references:
            if isinstance(reference, ConstantValue):
                used.setdefault(reference.index, len(used))
    for index in used:
        a, b = constants[0][index], constants[1][index]
        if a is not b and not (a.shape == b.shape and torch.equal(a, b)):
            raise NoProgram("makes other constants for another size of the batch")
    size = sum(constants[0][index].nbytes for index in used)
    if size > MAX_CONSTANT_BYTES:
        raise NoProgram(f"has {size:,} bytes of constants, and {MAX_CONSTANT_BYTES:,} may travel")
    return Program(
        tuple(_with_constants(call, used) for call in calls),
        first[1],
        tuple(_stored(constants[0][index]) for index in used),
    )


def _grown(a: Argument, b: Argument) -> Argument:
    """One argument for every batch."""
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        return tuple(_grown(x, y) for x, y in zip(a, b, strict=True))
    if type(a) is type(b) and a == b:
        return a
    if type(a) is int and type(b) is int:
        each, rest = divmod(b - a, BATCHES[1] - BATCHES[0])
        if rest == 0:
            return BatchCount(each, a - each * BATCHES[0])
    raise NoProgram("computes a number from the size of the batch")


def _run(func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Call torch. Tensors that a network makes on the CPU meanwhile follow the others to meta."""
    places = {tensor.device for tensor in tensors_in((args, kwargs))}
    if META in places and len(places) > 1:
        return func(*map_tensors(args, on_meta), **map_tensors(kwargs, on_meta))
    return func(*args, **kwargs)


def _written(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> frozenset[int]:
    if not func._schema.is_mutable:
        return frozenset()
    return frozenset(_memory(tensor) for tensor in _mutated(func, args, kwargs))


def _mutated(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[place] if place < len(args) else kwargs.get(argument.name)
            yield from tensors_in(value)


def _memory(tensor: Tensor) -> int:
    """The same number for tensors that share memory."""
    return int(tensor.untyped_storage()._cdata)


def _renumbered(call: Call, number: Mapping[int, int]) -> Call:
    def renamed(reference: Reference) -> Reference:
        return Result(number[reference.call], reference.place) if isinstance(reference, Result) else reference

    return _mapped(call, renamed)


def _with_constants(call: Call, number: Mapping[int, int]) -> Call:
    def renamed(reference: Reference) -> Reference:
        return ConstantValue(number[reference.index]) if isinstance(reference, ConstantValue) else reference

    return _mapped(call, renamed)


def _mapped(call: Call, rename: Callable[[Reference], Reference]) -> Call:
    def changed(value: Argument) -> Argument:
        if isinstance(value, tuple):
            return tuple(changed(item) for item in value)
        return rename(value) if [*references_in(value)] else value  # type: ignore[arg-type]

    return Call(
        call.function,
        tuple(changed(value) for value in call.arguments),
        tuple((name, changed(value)) for name, value in call.keywords),
        call.batch_norm,
    )


def _stored(tensor: Tensor) -> Constant:
    plain = tensor.detach().cpu().contiguous()
    data = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return Constant(str(plain.dtype).removeprefix("torch."), tuple(plain.shape), data)
