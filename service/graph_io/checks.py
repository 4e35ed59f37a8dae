"""Building an ArchGraph: sorts the nodes and refuses what is no network, naming the node and the way to mend
it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from service.errors import InvalidArchitecture, LimitExceeded, UnsupportedOperator
from service.graph_io.archgraph import ArchGraph, Node, Parameter, joined_channels
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits
from service.graph_io.node_attributes import check_attributes
from service.graph_io.operators import OPERATORS, PRODUCTS, Operator
from service.graph_io.topology import execution_order


def build_graph(
    nodes: Iterable[Node],
    *,
    outputs: Sequence[str] = (),
    input_shape: tuple[int, ...] = (),
    name: str = "",
    unattached: tuple[Parameter, ...] = (),
    limits: GraphLimits = DEFAULT_LIMITS,
) -> ArchGraph:
    """Sort the nodes topologically (stable in the given order) and check everything a network must satisfy.

    outputs: names of the nodes the network returns; empty means every node that nothing reads.

    Raises LimitExceeded, UnsupportedOperator, or InvalidArchitecture naming the node: unknown or repeated
    names, a cycle, wrong number of inputs, an attribute that the operator does not have, a parameter that
    does not fit its operator, a node that the input does not reach or that reaches no output.
    """
    node_list = list(nodes)
    _check_sizes(node_list, unattached, limits)
    by_name = _index_by_name(node_list)
    for node in node_list:
        _check_node(node, by_name, limits)
    _check_parameter_names(node_list, unattached, limits)
    ordered = _topological_order(node_list, by_name)
    if not any(node.op == "input" for node in ordered):
        raise InvalidArchitecture("The graph has no input node.", hint='Add a node with op "input".')
    read = {source for node in ordered for source in node.inputs}
    output_names = tuple(outputs) or tuple(node.name for node in ordered if node.name not in read)
    for output in output_names:
        if output not in by_name:
            raise InvalidArchitecture(f"The output {output!r} is not a node of the graph.", node=output)
    _check_reachability(ordered, by_name, output_names)
    return ArchGraph(
        nodes=tuple(ordered), outputs=output_names, input_shape=input_shape, name=name, unattached=unattached
    )


def _check_sizes(nodes: list[Node], unattached: tuple[Parameter, ...], limits: GraphLimits) -> None:
    if not nodes:
        raise InvalidArchitecture("The graph has no nodes.")
    if len(nodes) > limits.max_nodes:
        raise LimitExceeded(
            f"The graph has {len(nodes)} nodes, the limit is {limits.max_nodes}.",
            limit=limits.max_nodes,
            value=len(nodes),
        )
    edges = sum(len(node.inputs) for node in nodes)
    if edges > limits.max_edges:
        raise LimitExceeded(
            f"The graph has {edges} edges, the limit is {limits.max_edges}.",
            limit=limits.max_edges,
            value=edges,
        )
    total = 0
    counted: set[str] = set()
    for parameter in (*(p for node in nodes for p in node.params), *unattached):
        check_shape(parameter.shape, f"parameter {parameter.name!r}", limits)
        if parameter.name not in counted:
            counted.add(parameter.name)
            total += parameter.numel
    if total > limits.max_parameters:
        raise LimitExceeded(
            f"The network has {total:,} parameters, the limit is {limits.max_parameters:,}.",
            limit=limits.max_parameters,
            value=total,
        )


def check_shape(shape: tuple[int, ...], what: str, limits: GraphLimits = DEFAULT_LIMITS) -> None:
    """Refuse a parameter shape that no tensor should have. `what` names the tensor in the error."""
    if len(shape) > limits.max_rank:
        raise LimitExceeded(
            f"The shape of {what} has {len(shape)} axes, the limit is {limits.max_rank}.",
            limit=limits.max_rank,
            value=len(shape),
        )
    for dim in shape:
        if dim < 1:
            raise InvalidArchitecture(
                f"The shape of {what} is {list(shape)}; every dimension must be 1 or more.",
                hint="Give a fixed, positive size.",
            )
        if dim > limits.max_dim:
            raise LimitExceeded(
                f"The shape of {what} is {list(shape)}; a dimension may be {limits.max_dim:,} at most.",
                limit=limits.max_dim,
                value=dim,
            )


def _index_by_name(nodes: list[Node]) -> dict[str, Node]:
    by_name: dict[str, Node] = {}
    for node in nodes:
        if node.name in by_name:
            raise InvalidArchitecture(
                f"Two nodes are named {node.name!r}.", node=node.name, hint="Node names must be unique."
            )
        by_name[node.name] = node
    return by_name


def _check_name(name: str, what: str, limits: GraphLimits) -> None:
    if not name or len(name) > limits.max_name_length:
        raise InvalidArchitecture(
            f"The name of {what} has {len(name)} characters; 1 to {limits.max_name_length} are allowed.",
            node=name[:80],
        )
    if not name.isprintable():
        raise InvalidArchitecture(f"The name of {what}, {name!r}, has control characters.", node=ascii(name))


def _check_node(node: Node, by_name: dict[str, Node], limits: GraphLimits) -> None:
    _check_name(node.name, "a node", limits)
    operator = OPERATORS.get(node.op)
    if operator is None:
        raise UnsupportedOperator(
            f"Node {node.name!r} has the unknown operator {node.op!r}.",
            node=node.name,
            operator=node.op,
            hint=f"Use one of: {', '.join(sorted(OPERATORS))}.",
        )
    least, most = operator.inputs
    if len(node.inputs) < least or (most is not None and len(node.inputs) > most):
        expected = (
            str(least) if most == least else f"{least} or more" if most is None else f"{least} to {most}"
        )
        raise InvalidArchitecture(
            f"Node {node.name!r} ({node.op}) has {len(node.inputs)} inputs, expected {expected}.",
            node=node.name,
        )
    for source in node.inputs:
        if source not in by_name:
            raise InvalidArchitecture(
                f"Node {node.name!r} reads from {source!r}, which does not exist.",
                node=node.name,
                hint="Every input must be the name of another node.",
            )
    if node.params:
        _check_roles(node, operator)
    check_attributes(node)
    if node.params or node.op in PRODUCTS:
        _check_parameter_shapes(node)
    _check_parts(node, by_name)


def _check_roles(node: Node, operator: Operator) -> None:
    roles = [parameter.role for parameter in node.params]
    for role in roles:
        if operator.roles != ("*",) and role not in operator.roles:
            raise InvalidArchitecture(
                f"Node {node.name!r} ({node.op}) has a parameter with the role {role!r}; "
                f"its roles are: {', '.join(operator.roles) or 'none'}.",
                node=node.name,
            )
    if len(set(roles)) != len(roles):
        raise InvalidArchitecture(
            f"Node {node.name!r} has two parameters with the same role.", node=node.name
        )


def _check_parts(node: Node, by_name: dict[str, Node]) -> None:
    """A convolution's `parts` are the channels of the nodes that were joined for it."""
    parts = joined_channels(node)
    if not parts:
        return
    (source,) = node.inputs
    joined = len(by_name[source].inputs) if by_name[source].op == "concat" else 1
    channels = next(parameter.canonical_shape[1] for parameter in node.params if parameter.role == "weight")
    if len(parts) != joined or sum(parts) != channels or min(parts) < 1:
        raise InvalidArchitecture(
            f"The parts {list(parts)} of node {node.name!r} are not the channels of the {joined} nodes that "
            f"are joined for it: its weight has {channels} input channels.",
            node=node.name,
            hint="Name the channels of each node that is joined, in order, or leave `parts` out.",
        )


def _check_parameter_shapes(node: Node) -> None:
    params = {parameter.role: parameter for parameter in node.params}
    for parameter in node.params:
        if parameter.axes is not None and sorted(parameter.axes) != list(range(len(parameter.shape))):
            raise InvalidArchitecture(
                f"The axes {list(parameter.axes)} of parameter {parameter.name!r} do not permute "
                f"its shape {list(parameter.shape)}.",
                node=node.name,
            )
    weight, bias = params.get("weight"), params.get("bias")
    if node.op in PRODUCTS:
        least, most = (2, 2) if node.op == "linear" else (3, 5)
        if weight is None:
            raise InvalidArchitecture(f"Node {node.name!r} ({node.op}) has no weight.", node=node.name)
        if not least <= len(weight.shape) <= most:
            raise InvalidArchitecture(
                f"The weight of node {node.name!r} ({node.op}) has the shape {list(weight.shape)}; "
                f"it needs {least if least == most else f'{least} to {most}'} axes.",
                node=node.name,
            )
        if bias is not None and node.op != "conv_transpose" and bias.numel != weight.canonical_shape[0]:
            raise InvalidArchitecture(
                f"The bias of node {node.name!r} has {bias.numel} values, "
                f"its weight {weight.canonical_shape[0]} outputs.",
                node=node.name,
                hint="Weight shapes are (out, in, ...); say how a stored tensor differs with `axes`.",
            )


def _check_parameter_names(nodes: list[Node], unattached: tuple[Parameter, ...], limits: GraphLimits) -> None:
    """One name, one tensor: a tied parameter may be read by several nodes, with one shape."""
    shapes: dict[str, tuple[int, ...]] = {}
    trainable: dict[str, bool] = {}
    for parameter in (*(p for node in nodes for p in node.params), *unattached):
        _check_name(parameter.name, "a parameter", limits)
        if shapes.setdefault(parameter.name, parameter.shape) != parameter.shape:
            raise InvalidArchitecture(
                f"The parameter {parameter.name!r} has two shapes: "
                f"{list(shapes[parameter.name])} and {list(parameter.shape)}.",
                node=parameter.name,
            )
        if trainable.setdefault(parameter.name, parameter.trainable) != parameter.trainable:
            raise InvalidArchitecture(
                f"The parameter {parameter.name!r} is trainable in one place and kept in another.",
                node=parameter.name,
            )


def _topological_order(nodes: list[Node], by_name: dict[str, Node]) -> list[Node]:
    position = {node.name: index for index, node in enumerate(nodes)}
    if all(position[source] < index for index, node in enumerate(nodes) for source in node.inputs):
        return nodes
    order = execution_order({node.name: node.inputs for node in nodes}, str)
    return [by_name[name] for name in order]


def _check_reachability(nodes: list[Node], by_name: dict[str, Node], outputs: tuple[str, ...]) -> None:
    from_source: set[str] = set()
    for node in nodes:
        # Learned tensors and constants may start a branch of their own (position encodings, relative
        # position tables).
        is_source = not node.inputs
        if is_source and node.op not in (
            "input",
            "constant",
            "position",
            "class_token",
            "relative_position",
            "parameter",
        ):
            raise InvalidArchitecture(
                f"Node {node.name!r} ({node.op}) has no inputs; the network's input does not reach it.",
                node=node.name,
                hint="Connect it, or remove it.",
            )
        if node.op == "input" or any(source in from_source for source in node.inputs):
            from_source.add(node.name)
    for output in outputs:
        if output not in from_source:
            raise InvalidArchitecture(
                f"The output {output!r} does not depend on the network's input.",
                node=output,
                hint="Connect it, or remove it.",
            )
    to_output = set(outputs)
    for node in reversed(nodes):
        if node.name in to_output:
            to_output.update(node.inputs)
    for node in nodes:
        if node.name not in to_output:
            raise InvalidArchitecture(
                f"Node {node.name!r} ({node.op}) does not reach an output.",
                node=node.name,
                hint="Remove it, or add it to `outputs`.",
            )
