"""Operators with weights of their own become nodes. Free of torch."""

from __future__ import annotations

from service.graph_io.archgraph import AttrValue, Parameter
from service.graph_io.torch_tracing.calls import approximate
from service.graph_io.torch_tracing.combined import add_parameters
from service.graph_io.torch_tracing.node_builder import NodeBuilder
from service.graph_io.torch_tracing.steps import Step

# Axes of the weights that operators.py allows.
_RANKS = {"linear": (2,), "conv": (3, 4, 5), "conv_transpose": (3, 4, 5)}


def layer(build: NodeBuilder, step: Step) -> str:
    """A convolution or a linear layer."""
    weights = dict(step.weights)
    data, weight = build.data(step), weights["weight"]
    if build.is_live(weight):
        # A weight that is computed from the input: a product of two computed tensors.
        others = [name for role, value in step.weights if role != "weight" for name in build.value(value)]
        attrs: dict[str, AttrValue] = {"kind": f"dynamic_{step.op}"}
        return build.node("merge", (data, build.node_of[weight], *others), attrs=attrs)
    parameter, extras = build.cones.weight(weight, "weight", build.steps[weight].shape)
    fitted = None if parameter is None else _fit_rank(parameter, step)
    if fitted is None:
        return _layers_side_by_side(build, step, data)
    parameter, op, attrs = fitted
    if op != step.op or not all(build.cones.is_direct(value) for value in weights.values()):
        attrs = {**attrs, **approximate("its weight is computed before it is used")}
    bias, rest = _bias(build, weights.get("bias"), parameter if op != "conv_transpose" else None)
    name = build.node(op, (data,), (parameter,) if bias is None else (parameter, bias), attrs)
    # Parameters that scale a layer's weight: the gains of standardised and normalised weights.
    name = build.pass_through(name, extras, "gain")
    return add_parameters(build, name, rest)


def _fit_rank(parameter: Parameter, step: Step) -> tuple[Parameter, str, dict[str, AttrValue]] | None:
    """The operator that takes the parameter as it is stored: a 1x1 convolution may be stored as a matrix, a
    linear layer as a 1x1 convolution. None if no operator takes it.
    """
    rank, op, attrs = len(parameter.shape), step.op, step.attrs
    if op == "linear" and rank != 2:
        op, attrs = "conv", {}
    elif op != "linear" and rank == 2:
        op, attrs = "linear", {}
    if rank not in _RANKS[op]:
        return None
    if op == "conv_transpose" and parameter.axes is None:
        # torch stores (in, out / groups, *kernel).
        parameter = Parameter(parameter.name, parameter.shape, parameter.role, (1, 0, *range(2, rank)))
    return parameter, op, attrs


def _bias(
    build: NodeBuilder, value: int | None, weight: Parameter | None
) -> tuple[Parameter | None, tuple[int, ...]]:
    """The bias that belongs into the layer's node, and parameters that only make up a part of it."""
    if value is None or build.is_live(value):
        return None, ()
    parameter, extras = build.cones.weight(value, "bias", build.steps[value].shape)
    if parameter is not None and weight is not None and parameter.numel != weight.canonical_shape[0]:
        return None, build.cones.of(value).leaves
    return parameter, extras


def _layers_side_by_side(build: NodeBuilder, step: Step, data: str) -> str:
    """A weight that is no single parameter. Those that fill rows of it become layers of their own."""
    weights = dict(step.weights)
    weight = build.steps[weights["weight"]]
    rows: list[int] = []
    others: list[int] = []
    for leaf in build.cones.of(weights["weight"]).leaves:
        shape = build.steps[leaf].shape
        fits = len(shape) in _RANKS[step.op] and shape[1:] == weight.shape[1:] and step.op != "conv_transpose"
        (rows if fits else others).append(leaf)
    attrs = {**step.attrs, **approximate("its weight is computed before it is used")}
    layers = [build.node(step.op, (data,), (build.parameter(leaf),), attrs) for leaf in rows]
    parts = [*(layers or [data]), *(build.source(leaf, "parameter") for leaf in others)]
    if len(layers) > 1 and not others:
        name = build.node("concat", layers, attrs={"axis": -1 if step.op == "linear" else 1})
    else:
        name = parts[0] if len(parts) == 1 else build.node("merge", parts, attrs={"kind": step.op})
    bias = weights.get("bias")
    return (
        name
        if bias is None or build.is_live(bias)
        else add_parameters(build, name, build.cones.of(bias).leaves)
    )


def norm(build: NodeBuilder, step: Step) -> str:
    """A norm. Weights that are computed from the input (adaptive norms) modulate what comes out of it."""
    data = build.data(step)
    params: list[Parameter] = []
    rest: list[int] = []
    live: list[str] = []
    for role, value in step.weights:
        if build.is_live(value):
            live.append(build.node_of[value])
            continue
        parameter, extras = build.cones.weight(value, role, build.steps[value].shape)
        if parameter is not None:
            params.append(parameter)
        rest.extend(extras)
    attrs = step.attrs
    if not all(build.cones.is_direct(value) for _, value in step.weights):
        attrs = {**attrs, **approximate("its weight is computed before it is used")}
    name = build.node(step.op, (data,), tuple(params), attrs)
    if live:
        name = build.node("merge", (name, *live), attrs={"kind": "modulate"})
    return build.pass_through(name, rest)


def embedding(build: NodeBuilder, step: Step) -> str:
    data, (_, table) = build.data(step), step.weights[0]
    if build.is_live(table):
        return build.node("merge", (data, build.node_of[table]), attrs={"kind": "look_up"})
    parameter, extras = build.cones.weight(table, "weight", build.steps[table].shape)
    if parameter is None:
        return build.pass_through(data, extras)
    attrs = step.attrs
    if not build.cones.is_direct(table):
        attrs = {**attrs, **approximate("its table is computed before it is used")}
    return build.pass_through(build.node("embedding", (data,), (parameter,), attrs), extras)


def recurrent(build: NodeBuilder, step: Step) -> str:
    """A recurrent layer owns all its parameters, under the last parts of their names."""
    leaves = dict.fromkeys(leaf for _, value in step.weights for leaf in build.cones.of(value).leaves)
    params: dict[str, Parameter] = {}
    for leaf in leaves:
        parameter = build.parameter(leaf)
        role = parameter.name.rpartition(".")[2]
        if role in params:
            role = parameter.name
        params[role] = Parameter(parameter.name, parameter.shape, role)
    inputs = [build.node_of[source] for source in step.sources] or [build.constant()]
    return build.node("recurrent", inputs, tuple(params.values()), step.attrs)


def parametric_activation(build: NodeBuilder, step: Step) -> str:
    """Any other operator with weights, such as PReLU: the operator, and its parameters behind it."""
    name = build.node(step.op, (build.data(step),), (), step.attrs)
    for role, value in step.weights:
        if not build.is_live(value):
            name = build.pass_through(name, build.cones.of(value).leaves, role)
    return name
