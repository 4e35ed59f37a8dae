"""Which inputs of an ONNX graph are the network's, and which are weights listed without values."""

from __future__ import annotations

from onnx import TensorProto, ValueInfoProto

from service.errors import InvalidArchitecture
from service.graph_io.onnx.draft import Shape
from service.graph_io.onnx.flatten import Op
from service.graph_io.onnx.slots import WEIGHT_SLOTS

_PRODUCTS = frozenset({"MatMul", "MatMulInteger", "QLinearMatMul", "Einsum"})


def network_inputs(
    pending: list[ValueInfoProto], ops: list[Op], kinds: dict[str, str]
) -> list[ValueInfoProto]:
    """The network's own inputs among those without values. Raises InvalidArchitecture if there are none."""
    names = [value.name for value in pending]
    weights = _weight_inputs(names, ops)
    if len(weights) == len(pending):
        weights = _weight_inputs(names, ops, products=False)
    real = [value for value in pending if value.name not in weights]
    if weights and len(real) > 1:
        # Such a file lists every parameter as an input; what is not in a weight's place but looks like one is
        # one, too.
        real = [real[0], *(value for value in real[1:] if not _looks_like_parameter(value, kinds))]
    if not real:
        raise InvalidArchitecture(
            "The ONNX graph has no input besides its weights.",
            hint="Export the network with an input tensor.",
        )
    return real


def declared_shape(value: ValueInfoProto) -> Shape:
    """Dimensions that an input declares; unknown ones are None."""
    kind = value.type
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    return tuple(dim.dim_value if dim.dim_value > 0 else None for dim in kind.tensor_type.shape.dim)


def _weight_inputs(names: list[str], ops: list[Op], *, products: bool = True) -> set[str]:
    """Inputs that are used as weights and as nothing else that says otherwise. products: also as factors of
    matrix products.
    """
    candidates = set(names)
    alias: dict[str, str] = {name: name for name in names}
    weights: set[str] = set()
    for op in ops:
        if (
            op.type
            in ("Identity", "Cast", "Transpose", "Reshape", "Unsqueeze", "Squeeze", "DequantizeLinear")
            and op.input(0) in alias
        ):
            if op.type in ("Identity", "Transpose", "DequantizeLinear") and op.outputs:
                alias[op.outputs[0]] = alias[op.inputs[0]]
            continue
        slots = WEIGHT_SLOTS.get(op.type, ())
        if op.type in _PRODUCTS:
            # Either side may be the weight: only the right one counts, and only against a computed left one.
            left = op.input(0)
            slots = slots[1:] if products and (left not in alias or alias[left] == names[0]) else ()
        for slot in slots:
            name = alias.get(op.input(slot))
            if name in candidates:
                weights.add(name)
    # What also carries the signal is an input, whatever else it does.
    for op in ops:
        if op.type in WEIGHT_SLOTS and op.type not in _PRODUCTS:
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
