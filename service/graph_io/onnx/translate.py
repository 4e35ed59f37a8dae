"""One operation at a time, in order, from ONNX to drafts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import ModelProto, TensorProto

from service.errors import LimitExceeded
from service.graph_io.archgraph import AttrValue
from service.graph_io.lifting.linked import LinkedNode
from service.graph_io.limits import GraphLimits
from service.graph_io.onnx import weighted
from service.graph_io.onnx.draft import Draft, Owned, Shape, own, unclear
from service.graph_io.onnx.exact.arithmetic import order
from service.graph_io.onnx.exact.rules import Site
from service.graph_io.onnx.fixed import evaluate, renamed
from service.graph_io.onnx.inputs import declared_shape, network_inputs
from service.graph_io.onnx.names import text
from service.graph_io.onnx.naming import is_made_up
from service.graph_io.onnx.op import Op
from service.graph_io.onnx.row import Fact, Signal
from service.graph_io.onnx.scopes import opset_of
from service.graph_io.onnx.shapes import MAX_RANK
from service.graph_io.onnx.slots import computed_values, learned, quantised_biases, weight_making
from service.graph_io.onnx.splits import part_sizes, sequences_read_by_part
from service.graph_io.onnx.table import check_operator, infer, row_of, translation
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
        self._names_parameters = "PARAMETER" in self.kinds.values()
        self._from_torch = model.producer_name == "pytorch"
        self.values: dict[str, Value] = {"": ABSENT}
        self.drafts: list[Draft] = []
        self.inputs: list[Draft] = []
        self.names: set[str] = set()
        self._sources: dict[Value, Draft] = {}
        self._quantised_biases = quantised_biases(ops)
        self._sequences: dict[str, list[Value]] = {}
        self._only_parts_read = sequences_read_by_part(ops) - {value.name for value in self.graph.output}
        self._read = {name for op in ops for name in op.inputs} | {v.name for v in self.graph.output}
        self._declared = {
            value.name: shape
            for value in self.graph.value_info
            if (shape := declared_shape(value)) is not None and len(shape) <= MAX_RANK
        }
        self.opset = opset_of(model)

    def run(self) -> None:
        for tensor in self.graph.initializer:
            name = text(tensor.name)
            self.values[name] = self._tensor(name, tensor, Origin.INITIALIZER)
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
        named = kind == "PARAMETER" if self._names_parameters else not is_made_up(name)
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
                draft = Draft(self._unique(value.name, "input"), "input", kind=kind, shape=dims)
                self.drafts.append(draft)
                self.inputs.append(draft)
                self.values[value.name] = Value(draft=draft, shape=dims)
                continue
            tensor = TensorProto(name=value.name, dims=dims, data_type=value.type.tensor_type.elem_type)
            self.values[value.name] = self._tensor(value.name, tensor, Origin.INPUT)
        return [value.name for value in real]

    # What `builder.Builder` promises

    def add(
        self,
        op: Op,
        kind: str,
        inputs: Sequence[LinkedNode],
        owned: Sequence[Owned] = (),
        *,
        attrs: dict[str, AttrValue] | None = None,
        part: str = "",
        shape: Shape = None,
        exact: bool = False,
    ) -> Draft:
        name = f"{op.name or op.where}/{part}" if part else op.name
        draft = Draft(
            name=self._unique(name, op.type),
            op=kind,
            kind=op.type,
            inputs=list(inputs),
            params=tuple(owned),
            attrs={**(attrs or {}), **({} if exact else unclear(op.type))},
            shape=shape,
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
                own(
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
        row = row_of(op.type)
        fixed = row.signal is Signal.NONE or all(value.fixed for value in row.carriers(values))
        if fixed and not self._is_layer(op, values):
            self._fixed(op, values)
            return
        shape = self._shape(op, values)
        if Fact.PASSES in row.facts or (Fact.JOINS in row.facts and len(op.inputs) == 1):
            draft = values[0].draft
            if draft is not None and not _changes_nothing(op, draft, values):
                draft = self.add(op, "unary", [draft], attrs={"kind": op.type.lower()}, shape=shape)
            self._assign(op, Value(draft=draft, shape=shape))
            return
        if (op.type == "Split" and self._split(op, values)) or self._sequence(op, values):
            return
        before = len(self.drafts)
        draft = self._draft(op, values)
        for part in (draft, *self.drafts[before:]):
            # A layer and the nodes of what does not fit it.
            if part is draft or (part.params and part.inputs):
                part.shape = shape if part.shape is None else part.shape
        self._assign(op, Value(draft=draft, shape=shape))

    def _shape(self, op: Op, values: list[Value]) -> Shape:
        """The shape of the first output; where the operator does not tell, what the exporter says."""
        shape = infer(op, values)
        return self._declared.get(op.outputs[0]) if shape is None and op.outputs else shape

    def _assign(self, op: Op, value: Value) -> None:
        for place, name in enumerate(op.outputs):
            if name:
                self.values[name] = value if place == 0 else Value(draft=value.draft)
                if place > 0 and value.draft is not None and name in self._read:
                    # A node has one result: the others are not what its readers would get.
                    value.draft.attrs |= unclear(op.type)

    def _split(self, op: Op, values: list[Value]) -> bool:
        """Every part of a split as a slice of its own; False where the parts are not known."""
        parts = self._parts(op, values, len(op.outputs))
        if parts is None:
            return False
        for name, part in zip(op.outputs, parts, strict=False):
            if name:
                self.values[name] = part
        return True

    def _parts(self, op: Op, values: list[Value], count: int | None) -> list[Value] | None:
        """count: of the parts, None where only their sizes say it. Parts that nobody reads go later."""
        draft, sizes = values[0].draft, part_sizes(op, values, count)
        if draft is None or values[0].shape is None or sizes is None:
            return None
        shape, start, parts = values[0].shape, 0, list[Value]()
        axis = op.attrs.get("axis", 0) % len(shape)
        for place, size in enumerate(sizes):
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
            parts.append(Value(draft=part, shape=part.shape))
            start += size
        return parts

    def _sequence(self, op: Op, values: list[Value]) -> bool:
        """A sequence of which only single parts are read, as its parts; and one of these parts."""
        if op.type == "SequenceAt" and op.input(0) in self._sequences:
            parts, place = self._sequences[op.input(0)], values[1].ints()
            if place is None or not -len(parts) <= place[0] < len(parts):
                return False
            self._assign(op, parts[place[0]])
            return True
        if op.type != "SplitToSequence" or op.outputs[0] not in self._only_parts_read:
            return False
        made = self._parts(op, values, None)
        if made is None:
            return False
        self._sequences[op.outputs[0]] = made
        self.values[op.outputs[0]] = Value(draft=values[0].draft)
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
        if result.shape is None and op.outputs:
            result = replace(result, shape=self._declared.get(op.outputs[0]))
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
                    shape=self._declared.get(name) if shape is None else shape,
                    leaves=result.leaves,
                    view=result.view,
                    exact=not result.leaves,
                )

    def _is_layer(self, op: Op, values: list[Value]) -> bool:
        """Whether an operation on fixed inputs is a layer of its own (learned queries through a linear
        layer).
        """
        slots, norm = row_of(op.type).weights, Fact.NORM in row_of(op.type).facts
        if not slots or not op.outputs or op.outputs[0] in self.steps or not values:
            return False
        weight = values[slots[0]] if slots[0] and slots[0] < len(values) else values[-1]
        leaves = [leaf for leaf in weight_leaves(weight) if leaf.numel > 1]
        certain = [leaf for leaf in leaves if leaf.origin is not Origin.FILLED]
        return (
            bool(certain) and (norm or len(weight.shape or ()) >= 2) and not (norm and not values[0].leaves)
        )

    def _draft(self, op: Op, values: list[Value]) -> Draft:
        row = row_of(op.type)
        if row.build is not None:
            return row.build(self, op, values)
        exact = self.runnable(op, values)
        if exact is not None:
            return exact
        drafts = [value.draft for value in row.carriers(values) if value.draft is not None]
        if row.node is not None:
            name, attrs = row.node(op, values)
            return self.add(op, name, drafts[:1], attrs=attrs)
        return weighted.generic(self, op, drafts, learned(op, values))

    def runnable(self, op: Op, values: list[Value]) -> Draft | None:
        """The operation as a node that can be run, None where not all of it is known."""
        row, site = row_of(op.type), Site(op, values, infer(op, values), self.opset)
        exact = translation(site)
        if exact is None:
            return None
        carriers = order(site) if row.signal is Signal.ALL else values[:1]
        drafts = [value.draft for value in carriers if value.draft is not None]
        return self.add(op, exact[0], drafts, attrs=exact[1], exact=True)


def _changes_nothing(op: Op, draft: Draft, values: list[Value]) -> bool:
    """Whether an operation that is passed over leaves the numbers as they are: casts to whole numbers cut,
    quantisation rounds.
    """
    if op.type == "Cast":
        # "Integers" is an input of such.
        whole = draft.kind == "Integers" or Fact.WHOLE in row_of(draft.kind).facts
        return op.attrs.get("to") in REAL_TYPES or whole
    if op.type == "CastLike" and values[1].draft is not None:
        return Fact.WHOLE not in row_of(values[1].draft.kind).facts
    return op.type in ("Identity", "Dropout") or Fact.JOINS in row_of(op.type).facts
