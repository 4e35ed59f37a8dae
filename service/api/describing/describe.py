"""From an architecture that was read to its description. Blocking: CPU work and one file."""

from __future__ import annotations

import json

from service.api.describing.schemas import (
    AttributeValue,
    DescribedNode,
    DescribedParameter,
    Description,
)
from service.api.predict.reading import ReadArchitecture
from service.errors import LimitExceeded, NotFound
from service.graph_io.archgraph import ArchGraph, Node
from service.graph_io.json_reader import read_json_graph
from service.graph_io.limits import GraphLimits
from service.graph_io.operators import Primitive
from service.graph_io.primitives import to_primitives
from service.store.artifacts import ArtifactStore

# Values of a list, or characters of a text.
LONGEST_ATTRIBUTE = 64


def describe(architecture: ReadArchitecture, artifacts: ArtifactStore, limits: GraphLimits) -> Description:
    """The primitive graph and the parameters.

    Errors: InvalidArchitecture where no primitive is left, LimitExceeded where the GHN's view of it has too
    many edges, NotFound for a torchvision network that no worker has built yet.
    """
    graph = architecture.graph or _traced(architecture, artifacts, limits)
    primitives = to_primitives(graph)
    # Joining the neighbours of what the GHN does not see can make more edges than the network has.
    edges = sum(len(sources) for sources in primitives.predecessors)
    if edges > limits.max_edges:
        raise LimitExceeded(
            f"The network as a GHN sees it has {edges:,} edges, the limit is {limits.max_edges:,}.",
            limit=limits.max_edges,
            value=edges,
        )
    by_name = _operators(graph)
    operators = [by_name.get(name) for name in primitives.names]
    nodes = [
        DescribedNode(
            name=primitives.names[index],
            primitive=Primitive(int(primitive)).name.lower(),
            shape=list(shape) if (shape := primitives.shapes[index]) is not None else None,
            cell=cell if (cell := primitives.cells[index]) >= 0 else None,
            inputs=list(primitives.predecessors[index]),
            op="" if (operator := operators[index]) is None else operator.op,
            attributes=_attributes(operators[index], Primitive(int(primitive))),
        )
        for index, primitive in enumerate(primitives.primitive_N)
    ]
    parameters = [
        DescribedParameter(
            name=target.parameter.name,
            shape=list(target.parameter.shape),
            op=target.op,
            decoding=target.decoding.value,
            node=target.node if target.node >= 0 else None,
        )
        for target in primitives.targets
    ]
    return Description(
        name=graph.name,
        digest=architecture.digest,
        input_shape=list(graph.input_shape),
        num_operators=len(graph.nodes),
        num_parameters=graph.num_parameters,
        nodes=nodes,
        parameters=parameters,
    )


def _operators(graph: ArchGraph) -> dict[str, Node]:
    """By the names that a primitive node can have: the operator's own, and those of its parameters."""
    operators = {parameter.name: node for node in reversed(graph.nodes) for parameter in node.params}
    return operators | {node.name: node for node in graph.nodes}


def _attributes(node: Node | None, primitive: Primitive) -> dict[str, AttributeValue]:
    """Those that a person reads: a table of indices may have thousands of values. A bias does not repeat
    those of its operator.
    """
    if node is None or primitive is Primitive.BIAS:
        return {}
    return {
        name: [*value] if isinstance(value, tuple) else value
        for name, value in node.attrs.items()
        if not isinstance(value, tuple | str) or len(value) <= LONGEST_ATTRIBUTE
    }


def _traced(architecture: ReadArchitecture, artifacts: ArtifactStore, limits: GraphLimits) -> ArchGraph:
    """The graph that a worker left when it built this torchvision network."""
    try:
        document = artifacts.read_bytes(architecture.graph_name)
    except NotFound:
        raise NotFound(
            "This torchvision network is not described yet: it is built by the worker that predicts for it.",
            hint="POST it to /predict-weights first, or send it as ONNX.",
        ) from None
    return read_json_graph(json.loads(document), limits=limits)
