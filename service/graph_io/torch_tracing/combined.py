"""Sums, products and joins of computed values and parameters become nodes. Free of torch.

What a parameter is follows from how it is combined with the features: see the table in `lowering.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from service.graph_io.archgraph import AttrValue, Parameter
from service.graph_io.operators import BRANCH_ENDS
from service.graph_io.torch_tracing.calls import approximate
from service.graph_io.torch_tracing.node_builder import NodeBuilder
from service.graph_io.torch_tracing.parametric import long_axes
from service.graph_io.torch_tracing.steps import Step

_MOVES = frozenset({"permute", "reshape", "flatten", "slice"})


def _split(build: NodeBuilder, step: Step) -> tuple[list[int], list[int]]:
    """Sources that depend on the input, and sources made of parameters alone."""
    live = [source for source in step.sources if build.is_live(source)]
    return live, [source for source in step.sources if not build.is_live(source)]


def plain(build: NodeBuilder, step: Step) -> str:
    """An operator without parameters."""
    inputs = build.values(step, "relative_position" if step.op == "attention" else "parameter")
    if not inputs:
        return build.constant()
    attrs = step.attrs
    if step.op != "attention" and len(inputs) != len(step.sources):
        attrs = {**attrs, **approximate("one of its operands is made of several parameters")}
    return build.node("merge" if step.op == "unary" and len(inputs) > 1 else step.op, inputs, attrs=attrs)


def total(build: NodeBuilder, step: Step) -> str:
    live, learned = _split(build, step)
    if not live:
        return plain(build, step)
    names = [build.node_of[source] for source in live]
    name = names[0] if len(names) == 1 else build.node("add", names)
    for value in learned:
        if build.cones.of(value).has_layer:
            name = build.node("add", (name, *build.value(value)))
        else:
            attrs = build.placement(value, live[0])
            name = add_parameters(build, name, build.cones.of(value).leaves, attrs)
    return name


def add_parameters(
    build: NodeBuilder, name: str, leaves: Iterable[int], attrs: dict[str, AttrValue] | None = None
) -> str:
    """Parameters added to a node's result."""
    for leaf in leaves:
        step = build.steps[leaf]
        axes = long_axes(step.shape)
        if axes == 0:
            name = build.pass_through(name, (leaf,), "bias", attrs)
        elif axes == 1:
            name = build.node("bias", (name,), (build.parameter(leaf, "bias"),), attrs)
        else:
            name = build.node("position", (name,), (build.parameter(leaf),), attrs)
    return name


def product(build: NodeBuilder, step: Step) -> str:
    live, learned = _split(build, step)
    if not live:
        return plain(build, step)
    names = [build.node_of[source] for source in live]
    name = names[0] if len(names) == 1 else build.node("mul", names)
    for value in learned:
        if build.cones.of(value).has_layer:
            name = build.node("mul", (name, *build.value(value)))
            continue
        attrs = build.placement(value, live[0])
        for leaf in build.cones.of(value).leaves:
            if long_axes(build.steps[leaf].shape) == 1 and _ends_a_branch(build.steps, live[0]):
                name = build.node("layer_scale", (name,), (build.parameter(leaf),), attrs)
            else:
                name = build.pass_through(name, (leaf,), "gain", attrs)
    return name


def _ends_a_branch(steps: list[Step], value: int) -> bool:
    """Whether a value comes straight from a layer, which is what a layer scale follows.

    A factor behind anything else (a norm that the network spells out, the sum of a residual connection)
    is a gain: as small as a layer scale it would silence the network.
    """
    step = steps[value]
    while step.op in _MOVES or step.op in ("add", "matmul"):
        live = [source for source in step.sources if steps[source].live]
        if len(live) != 1:
            break
        if step.op == "matmul":
            # With a learned matrix: a linear layer.
            return True
        step = steps[live[0]]
    return step.op in BRANCH_ENDS or step.attrs.get("kind") == "sub"


def join(build: NodeBuilder, step: Step) -> str:
    names = build.values(step, "class_token")
    attrs = step.attrs
    if len(names) != len(step.sources):
        attrs = {**attrs, **approximate("one of its operands is made of several parameters")}
    return build.node("concat", names, attrs=attrs)


def matrix_product(build: NodeBuilder, step: Step) -> str:
    live, learned = _split(build, step)
    if len(live) == 1 and len(learned) == 1:
        linear = _linear(build, step, live[0], learned[0])
        if linear is not None:
            return linear
    inputs = build.values(step)
    if not inputs:
        return build.constant()
    attrs = step.attrs if len(inputs) == 2 else {"kind": "matmul", **approximate("it has not two operands")}
    return build.node("matmul" if len(inputs) > 1 else "unary", inputs, attrs=attrs)


def _linear(build: NodeBuilder, step: Step, data: int, weight: int) -> str | None:
    """Features times a learned matrix, which is a linear layer."""
    shape = build.steps[weight].shape
    if len(shape) != 2 or build.cones.of(weight).has_layer:
        return None
    parameter, extras = build.cones.weight(weight, "weight", shape)
    if parameter is None or len(parameter.shape) != 2:
        return None
    # x W: stored (in, out). W x: stored (out, in).
    transposed: bool | None = step.sources[1] == weight
    if "equation" in step.attrs:
        transposed = _sums_over_rows(str(step.attrs["equation"]), matrix_first=step.sources[0] == weight)
    if transposed is None:
        return None
    order = parameter.axes or (0, 1)
    axes = order[::-1] if transposed else order
    fitted = Parameter(parameter.name, parameter.shape, "weight", None if axes == (0, 1) else axes)
    attrs: dict[str, AttrValue] = {}
    if not build.cones.is_direct(weight):
        attrs = approximate("its weight is computed before it is used")
    elif not _is_over_last_axis(step, weight):
        attrs = approximate("it does not sum over the last axis")
    return build.pass_through(build.node("linear", (build.node_of[data],), (fitted,), attrs), extras)


def _is_over_last_axis(step: Step, weight: int) -> bool:
    """Whether a product with a matrix sums over the last axis of the features and puts its result there."""
    if "equation" not in step.attrs:
        return step.sources[1] == weight
    terms, _, out = str(step.attrs["equation"]).partition("->")
    operands = terms.split(",")
    matrix, data = operands if step.sources[0] == weight else operands[::-1]
    free = next((letter for letter in matrix if letter not in data), "")
    return "." not in data and data[-1:] in matrix and out == data[:-1] + free


def _sums_over_rows(equation: str, *, matrix_first: bool) -> bool | None:
    """Whether an einsum of features with a matrix sums over the matrix's first axis, not its second.

    None if it does neither: it is no linear layer then.
    """
    terms, _, out = equation.partition("->")
    operands = terms.split(",")
    if len(operands) != 2 or not out:
        return None
    matrix, data = operands if matrix_first else operands[::-1]
    if len(matrix) != 2:
        return None
    summed = [letter in data and letter not in out for letter in matrix]
    free = [letter not in data and letter in out for letter in matrix]
    if summed[0] and free[1]:
        return True
    return False if summed[1] and free[0] else None
