"""ONNX to ArchGraph: any network in standard ONNX, with or without weights, whose values are never read."""

from __future__ import annotations

from onnx import ModelProto

from service.errors import InvalidArchitecture
from service.graph_io.archgraph import ArchGraph
from service.graph_io.checks import build_graph
from service.graph_io.lifting import find_layers, lift
from service.graph_io.lifting.linked import LinkedGraph
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits
from service.graph_io.onnx.draft import Draft
from service.graph_io.onnx.faults import faults_of_the_model
from service.graph_io.onnx.flatten import flatten
from service.graph_io.onnx.load import load
from service.graph_io.onnx.made_up import drop_made_up_weights
from service.graph_io.onnx.names import text
from service.graph_io.onnx.trainable import settle
from service.graph_io.onnx.translate import Translator


def read_onnx(data: bytes, *, limits: GraphLimits = DEFAULT_LIMITS) -> ArchGraph:
    """Read a network from the bytes of an ONNX file.

    Parameters keep the names that the file has for them; shapes are as stored. External data is never
    opened.

    Raises InvalidInput (the bytes are no ONNX model), LimitExceeded (too large, before or after functions
    are inlined), UnsupportedOperator (a custom operator) and InvalidArchitecture (no valid network), each
    naming the node.
    """
    model = load(data, limits)
    with faults_of_the_model():
        return _read(model, limits)


def _read(model: ModelProto, limits: GraphLimits) -> ArchGraph:
    graph = model.graph
    translator = Translator(model, flatten(model, limits), limits)
    translator.run()
    outputs = _outputs(translator, [text(value.name) for value in graph.output])
    linked = LinkedGraph(list(translator.drafts), list(outputs), batch=None)
    linked.prune()
    drop_made_up_weights(linked)
    find_layers(linked)
    settle(linked.nodes)
    linked.prune()
    read_inputs = [draft for draft in translator.inputs if draft in set(linked.nodes)]
    shape = (read_inputs or translator.inputs)[0].shape
    linked.batch = shape[0] if shape else None
    nodes, names = lift(linked)
    return build_graph(
        nodes,
        outputs=names,
        input_shape=_without_batch(shape),
        name=_graph_name(graph.name, limits),
        limits=limits,
    )


def _graph_name(name: str | bytes, limits: GraphLimits) -> str:
    return (
        name if isinstance(name, str) and name.isprintable() and len(name) <= limits.max_name_length else ""
    )


def _outputs(translator: Translator, names: list[str]) -> list[Draft]:
    """The drafts behind the graph's outputs; outputs that do not depend on the input (shapes, constants) are
    left out.
    """
    drafts: dict[Draft, None] = {}
    for name in names:
        value = translator.values.get(name)
        if value is None:
            raise InvalidArchitecture(
                f"The output {name!r} is computed by no node of the graph.",
                node=name,
                hint="Export the whole graph.",
            )
        if value.draft is not None:
            drafts[value.draft] = None
    if not drafts:
        raise InvalidArchitecture(
            "No output of the ONNX graph depends on its input.",
            hint="Name the result of the last layer as the graph's output.",
        )
    return list(drafts)


def _without_batch(shape: tuple[int | None, ...] | None) -> tuple[int, ...]:
    if shape is None or None in shape[1:]:
        return ()
    return tuple(int(dim or 0) for dim in shape[1:])
