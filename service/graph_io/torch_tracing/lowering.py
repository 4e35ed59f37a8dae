"""From the record of a run to the nodes of an ArchGraph: what each learned tensor is to the network. Free of torch.

| use of a parameter | node |
| --- | --- |
| weight or bias of a layer, directly or computed from it | the layer |
| added, one long axis | bias |
| added, more axes | position |
| multiplied | layer_scale |
| joined to the features | class_token |
| enters the scores of an attention | relative_position |
| anything else | parameter |

Steps that reach no output are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from service.graph_io.archgraph import AttrValue, Node, Parameter
from service.graph_io.operators import NORMS
from service.graph_io.torch_tracing.attention import find_attention
from service.graph_io.torch_tracing.parametric import Cones, long_axes
from service.graph_io.torch_tracing.steps import INPUT, PARAM, Record, Step

_CONVOLUTIONS = frozenset({"conv", "conv_transpose"})
_BRANCH_ENDS = _CONVOLUTIONS | NORMS | {"linear", "attention", "matmul", "avg_pool", "max_pool", "recurrent"}
_RELATIVE = (
    "rel_pos",
    "relative",
    "attention_bias",
    "rpb",
    "rel_h",
    "rel_w",
    "pos_bias",
    "rel_height",
    "rel_width",
)


@dataclass(frozen=True, slots=True)
class Lowered:
    """nodes: in execution order. outputs: names of those that the network returns."""

    nodes: list[Node]
    outputs: tuple[str, ...]


def lower(record: Record) -> Lowered:
    """The nodes of a record. Rewrites the record's steps."""
    find_attention(record.steps)
    lowering = _Lowering(record.steps)
    needed = _needed(record)
    for index, step in enumerate(record.steps):
        if step.live and index in needed:
            lowering.emit(index)
    return Lowered(lowering.nodes, tuple(dict.fromkeys(lowering.node_of[index] for index in record.outputs)))


def _needed(record: Record) -> set[int]:
    steps, needed = record.steps, set(record.outputs)
    for index in range(len(steps) - 1, -1, -1):
        if index in needed:
            needed.update(steps[index].reads)
    return needed


class _Lowering:
    """node_of: for every step seen so far, the node that has its value."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        self.cones = Cones(steps)
        self.nodes: list[Node] = []
        self.node_of: dict[int, str] = {}
        self._names: set[str] = set()
        self._sources: dict[tuple[str, str], str] = {}

    def emit(self, index: int) -> str:
        step = self.steps[index]
        if step.op in _CONVOLUTIONS or step.op == "linear":
            name = self._layer(step)
        elif step.op in NORMS:
            name = self._norm(step)
        elif step.op == "matmul":
            name = self._product(step)
        elif step.op == "add":
            name = self._add(step)
        elif step.op == "mul":
            name = self._mul(step)
        elif step.op == "concat":
            name = self._concat(step)
        elif step.op in ("embedding", "recurrent") or step.weights:
            name = self._with_parameters(step)
        else:
            name = self._plain(step)
        self.node_of[index] = name
        return name

    # Nodes

    def node(
        self,
        op: str,
        inputs: Iterable[str] = (),
        params: tuple[Parameter, ...] = (),
        attrs: dict[str, AttrValue] | None = None,
    ) -> str:
        """Add a node, named after the module that owns its first parameter, or after its operator."""
        base = op
        if params:
            base = params[0].name.rpartition(".")[0] or params[0].name
            if op not in ("conv", "conv_transpose", "linear", "embedding", *NORMS):
                base = params[0].name
        name, count = base, 1
        if not params:
            name = f"{base}_{len(self.nodes)}" if op != INPUT or base in self._names else base
        while name in self._names:
            count += 1
            name = f"{base}#{count}"
        self._names.add(name)
        self.nodes.append(Node(name, op, tuple(inputs), params, attrs or {}))
        return name

    def _plain(self, step: Step) -> str:
        inputs = [name for source in step.sources for name in self.value(source, _context(step))]
        op = step.op
        if op == INPUT:
            return self.node(INPUT, attrs={"shape": step.shape[1:]} if step.shape else {})
        if op == "unary" and len(inputs) > 1:
            op = "merge"
        if op == "attention" or len(inputs) > 0:
            return self.node(op, inputs, attrs=step.attrs)
        return self.node("constant")

    def value(self, index: int, context: str = "parameter") -> list[str]:
        """The nodes that carry a value: one for a computed value, one for each parameter behind a value made of parameters."""
        if index in self.node_of:
            return [self.node_of[index]]
        if self.steps[index].live:
            raise AssertionError("a step was read before it was made")
        cone = self.cones.of(index)
        if not cone.has_layer:
            return [self.source(leaf, context) for leaf in cone.leaves]
        return [self._branch(index)]

    def source(self, leaf: int, op: str) -> str:
        """A node that only gives a parameter. One for each parameter and part that it plays."""
        step = self.steps[leaf]
        if op == "parameter" and _is_relative(step.name):
            op = "relative_position"
        if op in ("class_token", "position") and long_axes(step.shape) < 1:
            op = "parameter"
        key = (step.name, op)
        if key not in self._sources:
            self._sources[key] = self.node(op, (), (_parameter(step, op),))
        return self._sources[key]

    def _branch(self, index: int) -> str:
        """Emit a value that learned layers compute from parameters or fixed numbers alone, such as Swin V2's position bias."""
        order: list[int] = []
        stack, seen = [index], {index}
        while stack:
            current = stack.pop()
            order.append(current)
            step = self.steps[current]
            roles = {weight for _, weight in step.weights}
            for source in step.sources:
                if source not in seen and source not in roles and source not in self.node_of:
                    seen.add(source)
                    stack.append(source)
        for current in sorted(order):
            if current in self.node_of:
                continue
            step = self.steps[current]
            if step.op == PARAM:
                self.node_of[current] = self.source(current, "parameter")
            else:
                self.emit(current)
        return self.node_of[index]

    # Operators with weights

    def _layer(self, step: Step) -> str:
        weights = dict(step.weights)
        data = self._data(step)
        weight = weights["weight"]
        if self.steps[weight].live:
            # A weight that is computed from the input: a product of two computed tensors.
            inputs = [data, self.node_of[weight], *self._others(weights, "weight")]
            return self.node("merge", inputs, attrs={"kind": f"dynamic_{step.op}"})
        parameter, extras = self.cones.weight(weight, "weight", self.steps[weight].shape)
        if parameter is None:
            return self._joined_weights(step, data, weight, weights.get("bias"))
        bias, rest = self._bias_of(weights.get("bias"))
        op, attrs = step.op, step.attrs
        parameter, op, attrs = _fit_rank(parameter, op, attrs)
        params = (parameter,) if bias is None else (parameter, bias)
        name = self.node(op, (data,), params, attrs)
        # Parameters that scale a layer's weight: the gains of standardised and normalised weights.
        name = self._pass_through(name, extras, "gain")
        return self._add_parameters(name, rest) if rest else name

    def _bias_of(self, value: int | None) -> tuple[Parameter | None, tuple[int, ...]]:
        """The bias that belongs into the layer's node; parameters that only make up a part of it."""
        if value is None:
            return None, ()
        if self.steps[value].live:
            return None, ()
        parameter, extras = self.cones.weight(value, "bias", self.steps[value].shape)
        return parameter, extras

    def _joined_weights(self, step: Step, data: str, weight: int, bias: int | None) -> str:
        """A weight that is no single parameter: those of the right rank become layers of their own, side by side."""
        cone = self.cones.of(weight)
        rank = len(self.steps[weight].shape)
        columns = self.steps[weight].shape[1:]
        layers, others = [], []
        for leaf in cone.leaves:
            leaf_step = self.steps[leaf]
            if len(leaf_step.shape) == rank and leaf_step.shape[1:] == columns:
                layers.append(self.node(step.op, (data,), (_parameter(leaf_step, "weight"),), step.attrs))
            else:
                others.append(leaf)
        name = (
            data
            if not layers
            else layers[0]
            if len(layers) == 1
            else self.node("concat", layers, attrs={"axis": -1})
        )
        rest = () if bias is None or self.steps[bias].live else self.cones.of(bias).leaves
        inputs = [name, *(self.source(leaf, "parameter") for leaf in others)]
        if len(inputs) > 1 or not layers:
            name = self.node("merge", inputs, attrs={"kind": step.op})
        return self._add_parameters(name, rest)

    def _norm(self, step: Step) -> str:
        data = self._data(step)
        params: list[Parameter] = []
        rest: list[int] = []
        live: list[str] = []
        for role, value in step.weights:
            if self.steps[value].live:
                live.append(self.node_of[value])
                continue
            parameter, extras = self.cones.weight(value, role, self.steps[value].shape)
            if parameter is not None:
                params.append(parameter)
            rest.extend(extras)
        name = self.node(step.op, (data,), tuple(params), step.attrs)
        if live:
            name = self.node("merge", (name, *live), attrs={"kind": "modulate"})
        return self._pass_through(name, rest)

    def _with_parameters(self, step: Step) -> str:
        """Look-up tables, recurrent layers, parametric activations."""
        if step.op == "embedding":
            (_, table) = step.weights[0]
            if self.steps[table].live:
                return self.node("merge", (self._data(step), self.node_of[table]), attrs={"kind": "look_up"})
            parameter, extras = self.cones.weight(table, "weight", self.steps[table].shape)
            if parameter is None:
                return self._pass_through(self._data(step), extras)
            return self._pass_through(self.node("embedding", (self._data(step),), (parameter,)), extras)
        if step.op == "recurrent":
            leaves = dict.fromkeys(leaf for _, value in step.weights for leaf in self.cones.of(value).leaves)
            params = [
                Parameter(
                    self.steps[leaf].name, self.steps[leaf].shape, self.steps[leaf].name.rpartition(".")[2]
                )
                for leaf in leaves
            ]
            inputs = [self.node_of[source] for source in step.sources] or [self.constant()]
            return self.node("recurrent", inputs, _unique_roles(params), step.attrs)
        name = self.node(step.op, (self._data(step),), (), step.attrs)
        leaves = (
            leaf
            for _, value in step.weights
            if not self.steps[value].live
            for leaf in self.cones.of(value).leaves
        )
        return self._pass_through(name, dict.fromkeys(leaves), step.weights[0][0])

    def _data(self, step: Step) -> str:
        """The one node that an operator reads."""
        if not step.sources:
            return self.constant()
        names = self.value(step.sources[0])
        return names[0] if len(names) == 1 else self.node("merge", names, attrs={"kind": "parameters"})

    def constant(self) -> str:
        """The fixed numbers that a branch starts from."""
        key = ("", "constant")
        if key not in self._sources:
            self._sources[key] = self.node("constant")
        return self._sources[key]

    def _others(self, weights: dict[str, int], role: str) -> list[str]:
        return [name for other, value in weights.items() if other != role for name in self.value(value)]

    def _pass_through(self, name: str, leaves: Iterable[int], role: str = "value") -> str:
        for leaf in leaves:
            step = self.steps[leaf]
            name = self.node("parameter", (name,), (Parameter(step.name, step.shape, role),))
        return name

    # Sums, products, joins

    def _split(self, step: Step) -> tuple[list[int], list[int]]:
        live = [source for source in step.sources if self.steps[source].live]
        return live, [source for source in step.sources if not self.steps[source].live]

    def _add(self, step: Step) -> str:
        live, learned = self._split(step)
        if not live:
            return self._plain(step)
        name = (
            self.node_of[live[0]]
            if len(live) == 1
            else self.node("add", [self.node_of[source] for source in live])
        )
        for value in learned:
            if self.cones.of(value).has_layer:
                name = self.node("add", (name, *self.value(value)))
            else:
                name = self._add_parameters(name, self.cones.of(value).leaves)
        return name

    def _add_parameters(self, name: str, leaves: Iterable[int]) -> str:
        for leaf in leaves:
            step = self.steps[leaf]
            axes = long_axes(step.shape)
            if axes == 1:
                name = self.node("bias", (name,), (Parameter(step.name, step.shape, "bias"),))
            elif axes == 0:
                name = self._pass_through(name, (leaf,), "bias")
            elif _is_relative(step.name):
                name = self.node("relative_position", (name,), (Parameter(step.name, step.shape),))
            else:
                name = self.node("position", (name,), (Parameter(step.name, step.shape),))
        return name

    def _mul(self, step: Step) -> str:
        live, learned = self._split(step)
        if not live:
            return self._plain(step)
        name = self.node_of[live[0]]
        if len(live) == 2:
            name = self._gate(live) or self.node("mul", [self.node_of[source] for source in live])
        for value in learned:
            if self.cones.of(value).has_layer:
                name = self.node("mul", (name, *self.value(value)))
                continue
            for leaf in self.cones.of(value).leaves:
                factor = self.steps[leaf]
                if long_axes(factor.shape) == 1 and self._ends_a_branch(live[0]):
                    name = self.node("layer_scale", (name,), (Parameter(factor.name, factor.shape),))
                else:
                    name = self._pass_through(name, (leaf,), "gain")
        return name

    def _ends_a_branch(self, value: int) -> bool:
        """Whether a value comes straight from a layer, which a layer scale follows. A factor behind anything else (a norm that the
        network spells out, the sum of a residual connection) is a gain: as small as a layer scale it would silence the network.
        """
        step = self.steps[value]
        while (
            step.op in ("permute", "reshape", "flatten", "unary", "slice")
            and len(step.sources) == 1
            and step.attrs.get("kind") != "div"
        ):
            step = self.steps[step.sources[0]]
        return step.op in _BRANCH_ENDS or step.attrs.get("kind") == "sub"

    def _gate(self, live: list[int]) -> str | None:
        """A product of features and one factor a channel, in either order: squeeze and excite."""
        for features, gate in (live, live[::-1]):
            factor = self._unexpanded(gate)
            if _gates(self.steps[features].shape, self.steps[factor].shape):
                return self.node("channel_gate", (self.node_of[features], self.node_of[factor]))
        return None

    def _unexpanded(self, value: int) -> int:
        step = self.steps[value]
        while step.op == "unary" and step.attrs.get("kind") == "expand" and len(step.sources) == 1:
            value = step.sources[0]
            step = self.steps[value]
        return value

    def _concat(self, step: Step) -> str:
        inputs = [name for source in step.sources for name in self.value(source, "class_token")]
        return self.node("concat", inputs, attrs=step.attrs)

    def _product(self, step: Step) -> str:
        live, learned = self._split(step)
        if len(live) == 1 and len(learned) == 1:
            layer = self._linear_product(step, live[0], learned[0])
            if layer is not None:
                return layer
        inputs = [name for source in step.sources for name in self.value(source)]
        return self.node(
            "matmul" if len(inputs) > 1 else "unary", inputs or [self.constant()], attrs=step.attrs
        )

    def _linear_product(self, step: Step, data: int, weight: int) -> str | None:
        """Features times a learned matrix, which is a linear layer."""
        shape = self.steps[weight].shape
        if len(shape) != 2 or self.cones.of(weight).has_layer:
            return None
        parameter, extras = self.cones.weight(weight, "weight", shape)
        if parameter is None or len(parameter.shape) != 2:
            return None
        # x W: stored (in, out). W x: stored (out, in).
        if "equation" in step.attrs:
            stored_in_out = _contracts_first(str(step.attrs["equation"]), step.sources[0] == weight)
        else:
            stored_in_out = step.sources[1] == weight
        if stored_in_out is None:
            return None
        order = parameter.axes or (0, 1)
        axes = order[::-1] if stored_in_out else order
        fitted = Parameter(parameter.name, parameter.shape, "weight", None if axes == (0, 1) else axes)
        return self._pass_through(self.node("linear", (self.node_of[data],), (fitted,)), extras)


def _context(step: Step) -> str:
    return "relative_position" if step.op == "attention" else "parameter"


def _parameter(step: Step, op: str) -> Parameter:
    role = (
        "weight"
        if op in ("weight", "class_token", "position", "relative_position", "layer_scale")
        else "value"
    )
    return Parameter(step.name, step.shape, role)


def _is_relative(name: str) -> bool:
    return any(word in name.lower() for word in _RELATIVE)


def _fit_rank(
    parameter: Parameter, op: str, attrs: dict[str, AttrValue]
) -> tuple[Parameter, str, dict[str, AttrValue]]:
    """A weight whose parameter has another rank: a 1x1 convolution stored as a matrix, or the other way round."""
    rank = len(parameter.shape)
    if op == "conv_transpose" and rank >= 3 and parameter.axes is None:
        # torch stores (in, out / groups, *kernel).
        return Parameter(parameter.name, parameter.shape, "weight", (1, 0, *range(2, rank))), op, attrs
    if op == "linear" and rank > 2:
        return parameter, "conv", {}
    if op in _CONVOLUTIONS and rank == 2:
        return parameter, "linear", {}
    return parameter, op, attrs


def _unique_roles(params: list[Parameter]) -> tuple[Parameter, ...]:
    seen: dict[str, int] = {}
    unique = []
    for parameter in params:
        count = seen[parameter.role] = seen.get(parameter.role, 0) + 1
        role = parameter.role if count == 1 else f"{parameter.role}_{count}"
        unique.append(Parameter(parameter.name, parameter.shape, role, parameter.axes))
    return tuple(unique)


def _gates(features: tuple[int, ...], gate: tuple[int, ...]) -> bool:
    """One factor a channel for features over two or more spatial axes, channels first or last."""
    if len(features) < 4 or len(gate) != len(features) or features == gate:
        return False
    first = gate[-2:] == (1, 1) and features[-2:] != (1, 1) and gate[:-2] == features[:-2] and gate[-3] > 1
    last = (
        gate[-3:-1] == (1, 1)
        and features[-3:-1] != (1, 1)
        and gate[:-3] == features[:-3]
        and gate[-1] == features[-1] > 1
    )
    return first or last


def _contracts_first(equation: str, weight_first: bool) -> bool | None:
    """Whether an einsum of features with a matrix sums over the matrix's first axis; None if it is no linear layer."""
    terms, _, out = equation.partition("->")
    operands = terms.split(",")
    if len(operands) != 2 or not out:
        return None
    matrix, data = operands if weight_first else operands[::-1]
    if len(matrix) != 2:
        return None
    summed = [letter in data and letter not in out for letter in matrix]
    free = [letter not in data and letter in out for letter in matrix]
    if summed[0] and free[1]:
        return True
    return False if summed[1] and free[0] else None
