"""The graphs of a model: its own, those inside of its nodes (branches, loops), and its functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto

from service.graph_io.onnx.names import text

# Domain, name and overload.
FunctionKey = tuple[str, str, str]


def graphs(model: ModelProto) -> Iterator[GraphProto]:
    """The model's graph, then every graph inside of a node, of those inside of functions too."""
    yield model.graph
    yield from _inside(model.graph.node)
    for function in model.functions:
        yield from _inside(function.node)


def _inside(nodes: Iterable[NodeProto]) -> Iterator[GraphProto]:
    stack = list(nodes)
    while stack:
        for attribute in stack.pop().attribute:
            for graph in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield graph
                stack.extend(graph.node)


def all_nodes(model: ModelProto) -> Iterator[NodeProto]:
    for graph in graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def named_tensors(model: ModelProto) -> Iterator[tuple[str, TensorProto]]:
    """Initializers and the tensors of Constant nodes, by the names that the reader gives them."""
    for graph in graphs(model):
        yield from ((tensor.name, tensor) for tensor in graph.initializer)
        for node in graph.node:
            yield from ((node.output[0], tensor) for tensor in constant_values(node))
    labels = function_labels(model.functions)
    for function in model.functions:
        for node in function.node:
            name = constant_of_function(labels[function_key(function)], node)
            yield from ((name, tensor) for tensor in constant_values(node) if name)


def constant_values(node: NodeProto) -> list[TensorProto]:
    """The tensor of a Constant node, if it holds one."""
    if node.op_type != "Constant" or not node.output:
        return []
    return [attribute.t for attribute in node.attribute if attribute.name == "value"]


def domain_of(domain: str) -> str:
    return "" if domain == "ai.onnx" else text(domain)


def opset_of(model: ModelProto) -> int:
    """The version of ONNX's own operators that a model is written for."""
    return max((each.version for each in model.opset_import if not domain_of(each.domain)), default=1)


def function_key(function: FunctionProto) -> FunctionKey:
    return domain_of(function.domain), function.name, function.overload


def function_labels(functions: Iterable[FunctionProto]) -> dict[FunctionKey, str]:
    """What each function is called in the names of its constants: all calls share these tensors."""
    keys = [function_key(function) for function in functions]
    count = Counter(name for _, name, _ in keys)
    return {key: key[1] if count[key[1]] == 1 else "::".join(filter(None, key)) for key in keys}


def constant_of_function(label: str, node: NodeProto) -> str:
    """The name of a Constant node's tensor in a function's body; "" where its value is the caller's."""
    theirs = any(attribute.ref_attr_name for attribute in node.attribute)
    if node.op_type != "Constant" or theirs or not node.output:
        return ""
    return f"{label}/{text(node.output[0])}"
