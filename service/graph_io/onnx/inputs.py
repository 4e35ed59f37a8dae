"""Which inputs of an ONNX graph are the network's, and which are weights listed without values."""

from __future__ import annotations

from collections.abc import Container, Iterable

from onnx import TensorProto, ValueInfoProto

from service.errors import InvalidArchitecture
from service.graph_io.onnx.draft import Shape
from service.graph_io.onnx.op import Op
from service.graph_io.onnx.row import Fact
from service.graph_io.onnx.table import row_of


def network_inputs(
    pending: list[ValueInfoProto], ops: list[Op], kinds: dict[str, str], stored: Container[str]
) -> list[ValueInfoProto]:
    """The network's own inputs among those without values.

    A file that stores weights has no reason to list others as inputs: what comes in where a weight might
    (recurrent states, keys and values, a template) is an input, unless it has the name of a module's tensor.
    A file that stores none lists them all. An input without a fixed shape is never a weight.

    stored: names of the file's initializers. Raises InvalidArchitecture if there are no inputs.
    """
    first = pending[0].name if pending else ""
    possible = [value.name for value in pending if _may_be_weight(value, kinds)]
    if _stores_weights(ops, stored):
        named = [name for name in possible if "." in name or kinds.get(name) == "PARAMETER"]
        weights = _weight_inputs(named, ops, first)
        return _not_empty([value for value in pending if value.name not in weights])
    weights = _weight_inputs(possible, ops, first)
    if len(weights) == len(pending):
        weights = _weight_inputs(possible, ops, first, products=False)
    real = [value for value in pending if value.name not in weights]
    if weights and len(real) > 1:
        # What is not in a weight's place but looks like a parameter is one, too.
        real = [real[0], *(value for value in real[1:] if not _looks_like_parameter(value, kinds))]
    return _not_empty(real)


def _not_empty(inputs: list[ValueInfoProto]) -> list[ValueInfoProto]:
    if not inputs:
        raise InvalidArchitecture(
            "The ONNX graph has no input other than its weights.",
            hint="Export the network with an input tensor.",
        )
    return inputs


def declared_shape(value: ValueInfoProto) -> Shape:
    """Dimensions that an input declares; unknown ones are None."""
    kind = value.type
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    return tuple(dim.dim_value if dim.dim_value > 0 else None for dim in kind.tensor_type.shape.dim)


def _may_be_weight(value: ValueInfoProto, kinds: dict[str, str]) -> bool:
    shape = declared_shape(value)
    return shape is not None and None not in shape and not kinds.get(value.name, "").startswith("USER")


def _stores_weights(ops: list[Op], stored: Container[str]) -> bool:
    """Whether a layer reads a weight that the file keeps, as an initializer or a Constant node."""
    kept: set[str] = set()
    for op in ops:
        row = row_of(op.type)
        if op.type == "Constant" or (Fact.VIEW in row.facts and _is_in(op.input(0), stored, kept)):
            kept.update(op.outputs[:1])
        slots = row.weights if Fact.PRODUCT in row.facts else row.weights[:1]
        if any(_is_in(op.input(slot), stored, kept) for slot in slots):
            return True
    return False


def _is_in(name: str, *sets: Container[str]) -> bool:
    return bool(name) and any(name in each for each in sets)


def _weight_inputs(names: Iterable[str], ops: list[Op], first: str, *, products: bool = True) -> set[str]:
    """Inputs that are used as weights and as nothing else that says otherwise.

    first: of the file's inputs. products: also as factors of matrix products.
    """
    candidates = set(names)
    alias: dict[str, str] = {name: name for name in candidates}
    weights: set[str] = set()
    for op in ops:
        row = row_of(op.type)
        if Fact.VIEW in row.facts and op.input(0) in alias:
            # An input that went through another view is no longer followed.
            if Fact.ALIAS in row.facts and op.outputs:
                alias[op.outputs[0]] = alias[op.inputs[0]]
            continue
        slots = tuple(slot for slot in row.weights if slot not in row.states)
        if Fact.PRODUCT in row.facts:
            # Either side may be the weight: only the right one counts, and only against a computed left one.
            left = op.input(0)
            slots = slots[1:] if products and (left not in alias or alias[left] == first) else ()
        for slot in slots:
            name = alias.get(op.input(slot))
            if name in candidates:
                weights.add(name)
    # What also carries the signal is an input, whatever else it does.
    for op in ops:
        row = row_of(op.type)
        if row.weights and Fact.PRODUCT not in row.facts:
            weights.discard(op.input(0))
    return weights


def _looks_like_parameter(value: ValueInfoProto, kinds: dict[str, str]) -> bool:
    name: str = value.name
    shape = declared_shape(value)
    if kinds.get(name, "").startswith("USER"):
        return False
    floating = value.type.tensor_type.elem_type in (
        TensorProto.FLOAT,
        TensorProto.FLOAT16,
        TensorProto.DOUBLE,
    )
    return floating and shape is not None and len(shape) > 0 and None not in shape
