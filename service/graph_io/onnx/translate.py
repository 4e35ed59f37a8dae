"""One operation at a time, in order, from ONNX to drafts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, TensorProto

from service.errors import LimitExceeded
from service.graph_io.archgraph import AttrValue
from service.graph_io.limits import GraphLimits
from service.graph_io.onnx import linear, loose, weighted
from service.graph_io.onnx.draft import Draft, Owned, Shape
from service.graph_io.onnx.exact import translation
from service.graph_io.onnx.exact.arithmetic import order, scalar_operand
from service.graph_io.onnx.exact.rules import Site
from service.graph_io.onnx.fixed import evaluate, renamed
from service.graph_io.onnx.flatten import Op
from service.graph_io.onnx.inputs import declared_shape, network_inputs
from service.graph_io.onnx.names import text
from service.graph_io.onnx.naming import is_made_up
from service.graph_io.onnx.operators import (
    ACTIVATIONS,
    ALWAYS_FIXED,
    ELEMENTWISE,
    FIRST_ONLY,
    JOINING,
    PASSED_ON,
    SIMPLE,
    adaptive,
    changes_nothing,
    check_operator,
    clip_kind,
    covers_all,
    heads,
    spatial,
)
from service.graph_io.onnx.scopes import opset_of
from service.graph_io.onnx.shapes import infer, reduced_axes
from service.graph_io.onnx.slots import WEIGHT_SLOTS, computed_values, quantised_biases, weight_making
from service.graph_io.onnx.tensors import (
    REAL_TYPES,
    WIDE_INTEGER,
    Leaf,
    Origin,
    checked_dims,
    exporter_kinds,
    small_values,
)
from service.graph_io.onnx.values import ABSENT, Value
from service.graph_io.onnx.weighted import placement, weight_leaves

_NORMS = {
    "BatchNormalization": "batch_norm",
    "SpatialBN": "batch_norm",
    "InstanceNormalization": "instance_norm",
    "LayerNormalization": "layer_norm",
    "GroupNormalization": "group_norm",
    "RMSNormalization": "rms_norm",
}
_LONGEST_NODE_NAME = 200
# Fusions make fewer nodes of the drafts, but not a third.
DRAFTS_PER_NODE = 3


class Translator:
    """Reads the operations of one model.

    drafts: the nodes made so far, in execution order. inputs: the drafts of the network's own inputs.
    """

    def __init__(self, model: ModelProto, ops: list[Op], limits: GraphLimits) -> None:
        self.graph, self.ops, self.limits = model.graph, ops, limits
        self.kinds = exporter_kinds(self.graph)
        # Such an exporter says of every parameter that it is one: the others it made itself.
        self._all_kinds_told = "PARAMETER" in self.kinds.values()
        self._from_torch = model.producer_name == "pytorch"
        self.values: dict[str, Value] = {"": ABSENT}
        self.drafts: list[Draft] = []
        self.inputs: list[Draft] = []
        self.names: set[str] = set()
        self._sources: dict[Value, Draft] = {}
        self._quantised_biases = quantised_biases(ops)
        self._read = {name for op in ops for name in op.inputs} | {v.name for v in self.graph.output}
        self.opset = opset_of(model)

    def run(self) -> None:
        for tensor in self.graph.initializer:
            self.values[text(tensor.name)] = self._tensor(tensor.name, tensor, Origin.INITIALIZER)
        for sparse in self.graph.sparse_initializer:
            dense = TensorProto(dims=sparse.dims, data_type=sparse.values.data_type)
            name = text(sparse.values.name)
            self.values[name] = self._tensor(name, dense, Origin.INITIALIZER)
        computed_inputs = self._inputs()
        computed = computed_values(self.ops, computed_inputs)
        self.steps = weight_making(self.ops, computed)
        for op in self.ops:
            self._operation(op)
            if len(self.drafts) > DRAFTS_PER_NODE * self.limits.max_nodes:
                raise LimitExceeded(
                    f"The ONNX graph has more than {len(self.drafts) - 1:,} operations on its input.",
                    limit=DRAFTS_PER_NODE * self.limits.max_nodes,
                    node=op.where,
                )

    # Sources

    def _tensor(self, name: str, tensor: TensorProto, origin: Origin) -> Value:
        shape = checked_dims(tensor, name, self.limits)
        leaf = self._leaf(text(name), shape, tensor.data_type, origin)
        const = small_values(tensor)
        counts = leaf.data_type == WIDE_INTEGER and name not in self._quantised_biases
        if counts or not (leaf.is_float or leaf.is_quantized):
            return Value(shape=shape, const=const)
        return Value(shape=shape, const=const, leaves=(leaf,), view=tuple(range(len(shape))))

    def _leaf(self, name: str, shape: tuple[int, ...], data_type: int, origin: Origin) -> Leaf:
        kind = self.kinds.get(name, "")
        named = kind == "PARAMETER" if self._all_kinds_told else not is_made_up(name)
        # PyTorch's exporters store nothing under a name but what a module holds.
        of_torch = self._from_torch and origin is Origin.INITIALIZER
        return Leaf(name, shape, data_type, origin, kind, named, named and ("." in name or of_torch))

    def _inputs(self) -> list[str]:
        """Tell the network's inputs from weights that the file lists as inputs without values."""
        pending = [value for value in self.graph.input if text(value.name) not in self.values]
        real = network_inputs(pending, self.ops, self.kinds, self.values)
        chosen = {value.name for value in real}
        for value in pending:
            dims = declared_shape(value)
            if value.name in chosen:
                kind = "" if value.type.tensor_type.elem_type in REAL_TYPES else "Integers"
                draft = Draft(self._unique(value.name, "input"), "input", kind, shape=dims, exact=True)
                self.drafts.append(draft)
                self.inputs.append(draft)
                self.values[value.name] = Value(draft=draft, shape=dims)
                continue
            tensor = TensorProto(name=value.name, dims=dims, data_type=value.type.tensor_type.elem_type)
            self.values[value.name] = self._tensor(value.name, tensor, Origin.INPUT)
        return [value.name for value in real]

    # The Builder that `weighted.py` uses

    def add(
        self,
        op: Op,
        kind: str,
        inputs: Sequence[Draft],
        owned: Sequence[Owned] = (),
        *,
        attrs: dict[str, AttrValue] | None = None,
        part: str = "",
        scalar: float | None = None,
        shape: Shape = None,
        exact: bool = False,
    ) -> Draft:
        name = f"{op.name or op.where}/{part}" if part else op.name
        draft = Draft(
            name=self._unique(name, op.type),
            op=kind,
            kind=op.type,
            inputs=list(inputs),
            owned=list(owned),
            attrs=attrs or {},
            scalar=scalar,
            shape=shape,
            exact=exact,
        )
        self.drafts.append(draft)
        return draft

    def source(self, value: Value, op: Op) -> Draft:
        """The draft of a value; a fixed one becomes a source of its own."""
        if value.draft is not None:
            return value.draft
        if value not in self._sources:
            leaves = [leaf for leaf in weight_leaves(value) if leaf.numel > 1]
            owned = [
                Owned(
                    leaf,
                    f"weight_{place}" if place else "weight",
                    # Grids that a network starts from are constants more often than anything learned.
                    doubtful=True,
                )
                for place, leaf in enumerate(leaves)
            ]
            kind = "constant" if not owned else "class_token" if len(owned) == 1 else "parameter"
            attrs, exact = placement(value) if len(owned) == 1 else ({}, False)
            self._sources[value] = self.add(
                op, kind, [], owned, part="source", shape=value.shape, attrs=attrs, exact=exact
            )
        return self._sources[value]

    def _unique(self, name: str, kind: str) -> str:
        if not name or len(name) > _LONGEST_NODE_NAME or not name.isprintable():
            name = (
                f"{kind}_{len(self.drafts)}"
                if kind.isprintable() and len(kind) < 64
                else f"node_{len(self.drafts)}"
            )
        chosen, number = name, 1
        while chosen in self.names:
            number += 1
            chosen = f"{name}_{number}"
        self.names.add(chosen)
        return chosen

    # Operations

    def _operation(self, op: Op) -> None:
        check_operator(op)
        values = [self.values[name] for name in op.inputs]
        if op.type == "Constant":
            self._constant(op)
            return
        if op.inner:
            values = values + [self._tensor(name, tensor, Origin.INNER) for name, tensor in op.inner]
        signal = values[:1] if op.type in FIRST_ONLY else values
        fixed = op.type in ALWAYS_FIXED or all(value.fixed for value in signal)
        if fixed and not self._is_layer(op, values):
            self._fixed(op, values)
            return
        shape = infer(op, values)
        if op.type in PASSED_ON or (op.type in JOINING and len(op.inputs) == 1):
            draft = values[0].draft
            if draft is not None and not changes_nothing(op, draft):
                draft = self.add(op, "unary", [draft], attrs={"kind": op.type.lower()}, shape=shape)
            self._assign(op, Value(draft=draft, shape=shape))
            return
        if op.type == "Split" and self._split(op, values):
            return
        draft = self._draft(op, values)
        draft.shape = shape if draft.shape is None else draft.shape
        self._assign(op, Value(draft=draft, shape=shape))

    def _assign(self, op: Op, value: Value) -> None:
        for place, name in enumerate(op.outputs):
            if name:
                self.values[name] = value if place == 0 else Value(draft=value.draft)
                if place > 0 and value.draft is not None and name in self._read:
                    # A node has one result: the others are not what its readers would get.
                    value.draft.exact = False

    def _split(self, op: Op, values: list[Value]) -> bool:
        """Every part of a split as a slice of its own; False where the parts are not known."""
        draft, shape = values[0].draft, values[0].shape
        if draft is None or shape is None:
            return False
        axis = op.attrs.get("axis", 0) % len(shape)
        sizes = op.attrs.get("split") or (values[1].ints() if len(values) > 1 and op.input(1) else None)
        whole, count = shape[axis], len(op.outputs)
        if not sizes and whole is not None and count:
            size = -(-whole // count)
            sizes = (*(size,) * (count - 1), whole - size * (count - 1))
        if not sizes or len(sizes) < count or min(sizes) < 0:
            return False
        start = 0
        for place, (name, size) in enumerate(zip(op.outputs, sizes, strict=False)):
            if name:
                attrs: dict[str, AttrValue] = {"axes": (axis,), "starts": (start,), "ends": (start + size,)}
                part = self.add(
                    op,
                    "slice",
                    [draft],
                    attrs=attrs,
                    part=f"part_{place}" if place else "",
                    shape=(*shape[:axis], size, *shape[axis + 1 :]),
                    exact=True,
                )
                self.values[name] = Value(draft=part, shape=part.shape)
            start += size
        return True

    def _constant(self, op: Op) -> None:
        name = op.outputs[0] if op.outputs else ""
        for key in ("value", "sparse_value"):
            if key in op.tensors:
                self.values[name] = self._tensor(op.constant or name, op.tensors[key], Origin.CONSTANT)
                return
        numbers = next(
            (
                op.attrs[key]
                for key in ("value_float", "value_int", "value_floats", "value_ints")
                if key in op.attrs
            ),
            None,
        )
        count = op.attrs.get("value_floats#count", 0)
        if count > 64:
            tensor = TensorProto(dims=[count], data_type=TensorProto.FLOAT)
            self.values[name] = self._tensor(op.constant or name, tensor, Origin.CONSTANT)
            return
        const = (
            None
            if numbers is None or (isinstance(numbers, tuple) and len(numbers) > 64)
            else np.asarray(numbers)
        )
        self.values[name] = Value(shape=None if const is None else const.shape, const=const)

    def _fixed(self, op: Op, values: list[Value]) -> None:
        result = evaluate(op, values)
        if op.type == "ConstantOfShape" and values and (dims := values[0].ints()) is not None and op.outputs:
            fill = op.tensors.get("value")
            proto = TensorProto(
                dims=[max(dim, -1) for dim in dims], data_type=fill.data_type if fill else TensorProto.FLOAT
            )
            filled = self._tensor(op.outputs[0], proto, Origin.FILLED)
            result = Value(shape=filled.shape, const=result.const, leaves=filled.leaves, view=filled.view)
        if op.type == "Identity" and op.outputs:
            result = renamed(result, op.outputs[0])
        self._assign(op, result)
        for name in op.outputs[1:]:
            if name:
                shape = (
                    result.shape
                    if op.type == "Split" and "split" not in op.attrs and len(values) < 2
                    else None
                )
                self.values[name] = Value(
                    shape=shape, leaves=result.leaves, view=result.view, exact=not result.leaves
                )

    def _is_layer(self, op: Op, values: list[Value]) -> bool:
        """Whether an operation on fixed inputs is a layer of its own (learned queries through a linear
        layer).
        """
        slots = WEIGHT_SLOTS.get(op.type)
        if slots is None or not op.outputs or op.outputs[0] in self.steps or not values:
            return False
        weight = values[slots[0]] if slots[0] and slots[0] < len(values) else values[-1]
        leaves = [leaf for leaf in weight_leaves(weight) if leaf.numel > 1]
        norm = op.type in _NORMS
        certain = [leaf for leaf in leaves if leaf.origin is not Origin.FILLED]
        return (
            bool(certain) and (norm or len(weight.shape or ()) >= 2) and not (norm and not values[0].leaves)
        )

    def _draft(self, op: Op, values: list[Value]) -> Draft:
        kind = op.type
        if kind in ("Conv", "ConvTranspose", "ConvInteger"):
            return weighted.convolution(self, op, values, bias=9 if kind == "ConvInteger" else 2)
        if kind == "QLinearConv":
            return weighted.convolution(self, op, values, weight=3, bias=8)
        if kind == "Gemm":
            return linear.gemm(self, op, values)
        if kind in ("MatMul", "MatMulInteger"):
            return linear.matmul(self, op, values)
        if kind == "QLinearMatMul":
            return linear.matmul(self, op, values, left=0, right=3)
        if kind == "Einsum":
            return linear.einsum(self, op, values)
        if kind in _NORMS:
            return weighted.norm(self, op, values, _NORMS[kind])
        if kind == "PRelu":
            return weighted.prelu(self, op, values)
        if kind == "DeformConv":
            return weighted.deformed(self, op, values)
        if kind in ("LSTM", "GRU", "RNN"):
            return weighted.recurrent(self, op, values)
        if kind == "Gather":
            return self._gather(op, values)
        if kind == "Concat":
            return loose.concat(self, op, values)
        if kind in ELEMENTWISE:
            return self._elementwise(op, values)
        return self._weightless(op, values)

    def _gather(self, op: Op, values: list[Value]) -> Draft:
        if values[0].draft is not None and values[1].fixed:
            return self._exact(op, values) or self.add(
                op, "slice", [values[0].draft], attrs=SIMPLE["Slice"][1](op, values)
            )
        return loose.gather(self, op, values)

    def _elementwise(self, op: Op, values: list[Value]) -> Draft:
        drafts = [value.draft for value in values if value.draft is not None]
        fixed = [value for value in values if value.fixed]
        trained = [value for value in fixed if loose.elementwise_leaves(value, op, drafts)]
        if not trained and (draft := self._exact(op, values)) is not None:
            draft.scalar = scalar_operand(values) if fixed else None
            return draft
        if len(drafts) > 1 or (not trained and not fixed):
            kind = "add" if op.type in ("Add", "Sum") else "mul" if op.type == "Mul" else "merge"
            together = kind != "merge" and len(drafts) + len(trained) == len(values)
            draft = self.add(op, kind, drafts, exact=together)
        elif not trained:
            return self.add(op, "unary", drafts, scalar=scalar_operand(values))
        else:
            draft = drafts[0]
        for value in trained:
            draft = loose.add_parameters(self, op, draft, value, op.type)
        return draft

    def _weightless(self, op: Op, values: list[Value]) -> Draft:
        drafts = [
            value.draft
            for value in (values[:1] if op.type in FIRST_ONLY else values)
            if value.draft is not None
        ]
        if op.type in ("ReduceMean", "ReduceSum"):
            return self._reduction(op, values, drafts)
        exact = self._exact(op, values)
        if exact is not None:
            return exact
        if op.type in ACTIVATIONS:
            return self.add(op, "activation", drafts[:1], attrs={"kind": ACTIVATIONS[op.type]})
        if op.type == "Clip":
            return self.add(op, "activation", drafts[:1], attrs={"kind": clip_kind(op, values)})
        if op.type == "Attention":
            learned = [self.source(value, op) for value in values[:3] if value.fixed and value.leaves]
            return self.add(op, "attention", [*drafts, *learned], attrs=heads(op, values))
        if op.type == "AveragePool" and covers_all(op, values):
            return self.add(op, "global_avg_pool", drafts[:1], attrs=adaptive(op, values))
        if op.type in SIMPLE:
            name, attributes = SIMPLE[op.type]
            return self.add(op, name, drafts[:1], attrs=attributes(op, values))
        return weighted.generic(self, op, drafts, loose.learned(op, values))

    def _exact(self, op: Op, values: list[Value]) -> Draft | None:
        """The operation as a node that can be run, None where not all of it is known."""
        site = Site(op, values, infer(op, values), self.opset)
        found = translation(site)
        if found is None:
            return None
        carriers = values[:1] if op.type in FIRST_ONLY else order(site)
        drafts = [value.draft for value in carriers if value.draft is not None]
        return self.add(op, found[0], drafts, attrs=found[1], exact=True)

    def _reduction(self, op: Op, values: list[Value], drafts: list[Draft]) -> Draft:
        """A mean over all positions that keeps their axes is global pooling; one that drops them is not (a
        GHN sees the difference, and so does the module tracer).
        """
        axes, shape = reduced_axes(op, values), values[0].shape
        keepdims = bool(op.attrs.get("keepdims", 1))
        rank = None if shape is None else len(shape)
        if op.type == "ReduceMean" and axes and keepdims and spatial(axes, rank):
            channels_first = rank is not None and axes == tuple(range(2, rank))
            return self.add(op, "global_avg_pool", drafts[:1], exact=channels_first)
        exact = self._exact(op, values)
        if exact is not None:
            return exact
        attrs: dict[str, AttrValue] = {"kind": op.type.lower(), "keepdims": keepdims}
        if axes:
            attrs["axes"] = axes
        return self.add(op, "unary", drafts[:1], attrs=attrs)
