"""From a model to one flat, sorted list of operations.

Local functions are inlined, after their full size is known: nested functions double with every level. A
subgraph (If, Loop, Scan) stays one operation that reads what the subgraph captures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto

from service.errors import InvalidArchitecture, LimitExceeded, UnsupportedOperator
from service.graph_io.limits import GraphLimits
from service.graph_io.onnx.names import text
from service.graph_io.onnx.op import Op, Use
from service.graph_io.onnx.row import Fact
from service.graph_io.onnx.scopes import (
    FunctionKey,
    constant_of_function,
    domain_of,
    function_key,
    function_labels,
)
from service.graph_io.onnx.table import row_of
from service.graph_io.topology import execution_order

# Lists longer than this in attributes are no setting of an operator.
MAX_ATTRIBUTE_VALUES = 256
MAX_FUNCTION_DEPTH = 64
# Raw ONNX nodes a kept node may need: shape arithmetic and constants outnumber layers in exported graphs.
RAW_NODES_PER_NODE = 5

# Types of the attributes that are read here, wherever they occur.
_ATTRIBUTE_TYPES: dict[str, int] = {
    **dict.fromkeys(
        "axis group keepdims transA transB allowzero num_groups blocksize ceil_mode count_include_pad "
        "start end hidden_size q_num_heads value_int".split(),
        AttributeProto.INT,
    ),
    **dict.fromkeys(
        "pads paddings strides dilations kernel_shape output_padding output_shape perm axes split starts "
        "ends value_ints".split(),
        AttributeProto.INTS,
    ),
    **dict.fromkeys("epsilon min max value_float".split(), AttributeProto.FLOAT),
    **dict.fromkeys("auto_pad mode equation direction".split(), AttributeProto.STRING),
    "value_floats": AttributeProto.FLOATS,
    "value": AttributeProto.TENSOR,
    "sparse_value": AttributeProto.SPARSE_TENSOR,
}
# Early versions padded with a number of this name.
_NUMBERS = frozenset({("Pad", "value"), ("ConstantFill", "value")})


def flatten(model: ModelProto, limits: GraphLimits) -> list[Op]:
    """Every operation of the model, in an order in which each reads only what was computed before.

    Raises LimitExceeded (nodes after inlining, nesting), UnsupportedOperator (a custom operator without a
    function body), InvalidArchitecture (a cycle, a value that is read and never made, a value made twice,
    a function that calls itself).
    """
    functions = {function_key(function): function for function in model.functions}
    _check_budget(model.graph, functions, limits)
    inliner = _Inliner(functions, limits)
    inliner.expand(model.graph.node, {}, {}, "", "")
    sources = {value.name for value in model.graph.input}
    sources.update(tensor.name for tensor in model.graph.initializer)
    sources.update(sparse.values.name for sparse in model.graph.sparse_initializer)
    return _sorted(inliner.ops, sources)


def _check_budget(
    graph: GraphProto, functions: Mapping[FunctionKey, FunctionProto], limits: GraphLimits
) -> None:
    """Count the nodes after inlining, with memory, before any is made."""
    budget = RAW_NODES_PER_NODE * limits.max_nodes
    sizes: dict[FunctionKey, int] = {}

    def size(nodes: Iterable[NodeProto], path: tuple[FunctionKey, ...]) -> int:
        total = 0
        for node in nodes:
            key = (domain_of(node.domain), node.op_type, node.overload)
            function = functions.get(key)
            if function is None:
                total += 1
                continue
            if key in path:
                raise InvalidArchitecture(
                    f"The function {function.name!r} calls itself.",
                    node=node.name or function.name,
                    hint="Unroll the recursion.",
                )
            if len(path) >= MAX_FUNCTION_DEPTH:
                raise LimitExceeded(
                    f"Functions are nested deeper than {MAX_FUNCTION_DEPTH}, at {function.name!r}.",
                    limit=MAX_FUNCTION_DEPTH,
                    node=node.name or function.name,
                )
            if key not in sizes:
                sizes[key] = size(function.node, (*path, key))
            total += sizes[key] + 1
        return total

    layers = sum(Fact.NODE in row_of(node.op_type).facts for node in graph.node)
    if layers > limits.max_nodes:
        raise LimitExceeded(
            f"The ONNX graph has {layers:,} layers, the limit is {limits.max_nodes:,} nodes.",
            limit=limits.max_nodes,
            value=layers,
        )
    total = size(graph.node, ())
    if total > budget:
        raise LimitExceeded(
            f"The ONNX graph has {total if total < 10**12 else 'more than 10^12'} nodes "
            f"with its functions inlined, the limit is {budget:,}.",
            limit=budget,
            value=min(total, 2**53),
            hint="Simplify the model before sending it.",
        )


class _Inliner:
    def __init__(self, functions: Mapping[FunctionKey, FunctionProto], limits: GraphLimits) -> None:
        self.functions, self.limits = functions, limits
        self.labels = function_labels(functions.values())
        self.ops: list[Op] = []
        self.calls = 0

    def expand(
        self,
        nodes: Iterable[NodeProto],
        names: dict[str, str],
        bound: Mapping[str, AttributeProto],
        value_prefix: str,
        node_prefix: str,
        label: str = "",
    ) -> None:
        """names: what the values of this body are called outside; bound: attributes of the call that the
        body refers to; label: of the function whose body it is.
        """

        def outer(name: str) -> str:
            if not name:
                return ""
            return names[name] if name in names else value_prefix + text(name)

        for node in nodes:
            function = self.functions.get((domain_of(node.domain), node.op_type, node.overload))
            if function is None:
                op = self._operation(node, outer, bound, node_prefix)
                op.constant = constant_of_function(label, node) if label else ""
                self.ops.append(op)
                continue
            self.calls += 1
            call = text(node.name) or f"{text(function.name)}_{self.calls}"
            inner_names = {"": ""}
            for index, formal in enumerate(function.input):
                inner_names[text(formal)] = outer(node.input[index]) if index < len(node.input) else ""
            for formal, actual in zip(function.output, node.output, strict=False):
                if formal in inner_names and actual:
                    # An output that is an input needs a node of its own to carry its second name.
                    self.ops.append(
                        Op(f"{node_prefix}{call}", "Identity", "", [inner_names[formal]], [outer(actual)])
                    )
                elif actual:
                    inner_names[text(formal)] = outer(actual)
            attributes = {attribute.name: attribute for attribute in function.attribute_proto}
            attributes.update((attribute.name, _resolve(attribute, bound)) for attribute in node.attribute)
            self.expand(
                function.node,
                inner_names,
                attributes,
                f"{value_prefix}{call}#{self.calls}/",
                f"{node_prefix}{call}/",
                self.labels[function_key(function)],
            )

    def _operation(
        self, node: NodeProto, outer: Any, bound: Mapping[str, AttributeProto], node_prefix: str
    ) -> Op:
        domain = domain_of(node.domain)
        if domain and not domain.startswith("ai.onnx."):
            raise UnsupportedOperator(
                f"Node {node.name or node.op_type!r} uses the operator {node.op_type!r} of the domain "
                f"{domain!r}, which is not part of ONNX, and the model brings no function body for it.",
                operator=f"{domain}::{node.op_type}",
                node=node.name or (node.output[0] if node.output else node.op_type),
                hint="Export with standard ONNX operators only; leave pre- and post-processing out.",
            )
        op = Op(
            name=node_prefix + text(node.name) if node.name else "",
            type=text(node.op_type),
            domain=domain,
            inputs=[outer(name) for name in node.input],
            outputs=[outer(name) for name in node.output],
        )
        for attribute in node.attribute:
            _read_attribute(op, _resolve(attribute, bound), outer, self.limits)
        return op


def _resolve(attribute: AttributeProto, bound: Mapping[str, AttributeProto]) -> AttributeProto:
    """Follow a reference to an attribute of the calling node; an unbound one stays empty."""
    if not attribute.ref_attr_name:
        return attribute
    actual = bound.get(attribute.ref_attr_name)
    if actual is None:
        return AttributeProto(name=attribute.name)
    copy = AttributeProto()
    copy.CopyFrom(actual)
    copy.name = attribute.name
    return copy


def _read_attribute(op: Op, attribute: AttributeProto, outer: Any, limits: GraphLimits) -> None:
    name, kind = text(attribute.name), attribute.type
    expected = _ATTRIBUTE_TYPES.get(name, kind)
    if (op.type, name) in _NUMBERS:
        expected = AttributeProto.FLOAT
    if kind not in (expected, AttributeProto.UNDEFINED):
        raise InvalidArchitecture(
            f"The attribute {name!r} of node {op.where!r} ({op.type}) has the wrong type.",
            node=op.where,
            hint=f"It must be {AttributeProto.AttributeType.Name(expected)}.",
        )
    if kind == AttributeProto.INT:
        op.attrs[name] = attribute.i
    elif kind == AttributeProto.FLOAT:
        op.attrs[name] = attribute.f
    elif kind == AttributeProto.STRING:
        op.attrs[name] = attribute.s.decode("utf-8", "replace")
    elif kind == AttributeProto.INTS:
        op.attrs[name] = tuple(attribute.ints[:MAX_ATTRIBUTE_VALUES])
    elif kind == AttributeProto.FLOATS:
        op.attrs[name] = tuple(attribute.floats[:MAX_ATTRIBUTE_VALUES])
        op.attrs[name + "#count"] = len(attribute.floats)
    elif kind == AttributeProto.TENSOR:
        op.tensors[name] = attribute.t
    elif kind == AttributeProto.SPARSE_TENSOR:
        op.tensors[name] = TensorProto(
            dims=attribute.sparse_tensor.dims, data_type=attribute.sparse_tensor.values.data_type
        )
    elif kind in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
        for graph in [attribute.g] if kind == AttributeProto.GRAPH else attribute.graphs:
            for captured, uses in _captured(graph, op, 1, limits).items():
                actual = outer(captured)
                if actual:
                    op.uses.setdefault(actual, []).extend(uses)
                    if actual not in op.inputs:
                        op.inputs.append(actual)
    elif kind == AttributeProto.UNDEFINED and (attribute.ints or attribute.HasField("i")):
        # Files older than IR version 2 leave the type out.
        op.attrs[name] = tuple(attribute.ints[:MAX_ATTRIBUTE_VALUES]) or attribute.i


def _captured(graph: GraphProto, op: Op, depth: int, limits: GraphLimits) -> dict[str, list[Use]]:
    """What a subgraph reads from outside, and where; its own tensors are collected in `op.inner`."""
    if depth > limits.max_subgraph_depth:
        raise LimitExceeded(
            f"Node {op.where!r} nests subgraphs deeper than {limits.max_subgraph_depth}.",
            limit=limits.max_subgraph_depth,
            node=op.where,
            hint="Flatten the control flow.",
        )
    made = {text(value.name) for value in graph.input}
    own: set[str] = set()
    read: dict[str, list[Use]] = {}
    viewed: dict[str, str] = {}
    for tensor in graph.initializer:
        own.add(text(tensor.name))
        op.inner.append((text(tensor.name), tensor))
    for node in graph.node:
        view = Fact.VIEW in row_of(node.op_type).facts and bool(node.output)
        for slot, name in enumerate(node.input):
            if name:
                uses = read.setdefault(viewed.get(name, name), [])
                uses.extend([] if view and slot == 0 else [(text(node.op_type), slot)])
        if view and node.input:
            viewed[node.output[0]] = viewed.get(node.input[0], node.input[0])
        made.update(node.output)
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.type == AttributeProto.TENSOR and node.output:
                own.add(text(node.output[0]))
                op.inner.append((text(node.output[0]), attribute.t))
            for inner in [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs:
                for name, uses in _captured(inner, op, depth + 1, limits).items():
                    read.setdefault(viewed.get(name, name), []).extend(uses)
    for value in graph.output:
        read.setdefault(value.name, [])
    for name in own:
        op.uses.setdefault(name, []).extend(read.get(name, []))
    return {name: uses for name, uses in read.items() if name not in made and name not in own}


def _sorted(ops: list[Op], sources: set[str]) -> list[Op]:
    """Topological order, stable for files that are sorted already (all valid ones are)."""
    maker: dict[str, int] = {}
    for index, op in enumerate(ops):
        for output in op.outputs:
            if not output:
                continue
            if output in maker:
                raise InvalidArchitecture(
                    f"The value {output!r} is computed twice, "
                    f"by {ops[maker[output]].where!r} and {op.where!r}.",
                    node=op.where,
                )
            maker[output] = index
    in_order = True
    for index, op in enumerate(ops):
        for name in op.inputs:
            if not name:
                continue
            source = maker.get(name)
            if source is None:
                if name not in sources:
                    raise InvalidArchitecture(
                        f"Node {op.where!r} reads {name!r}, which nothing in the graph computes.",
                        node=op.where,
                        hint="Export the whole graph.",
                    )
            elif source >= index:
                in_order = False
    return ops if in_order else _topological(ops, maker)


def _topological(ops: list[Op], maker: Mapping[str, int]) -> list[Op]:
    sources = {index: [maker[name] for name in op.inputs if name in maker] for index, op in enumerate(ops)}
    return [ops[index] for index in execution_order(sources, lambda index: ops[index].where)]
