"""The open JSON format: an ArchGraph as a document. `schema/archgraph.schema.json` describes it,
`json_writer.py` writes it.

    {"format": "graph", "input_shape": [3, 32, 32],
     "nodes": [{"name": "x", "op": "input"},
               {"name": "conv", "op": "conv", "inputs": ["x"], "attrs": {"stride": 2, "padding": 1},
                "params": {"weight": {"name": "conv.weight", "shape": [64, 3, 3, 3]}}}, ...]}

Optional: `inputs`, `params`, `attrs`, `cell` of a node, `axes` and `trainable` of a parameter, and `outputs`,
`name`, `unattached`, `program` (`program_json.py`) and `sample` (`sample.py`) of the graph. Operators,
their parameter roles and attributes are those of `operators.py`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from service.errors import ServiceError, UnsupportedOperator
from service.graph_io.archgraph import ArchGraph, AttrValue, Node, Parameter
from service.graph_io.checks import build_graph, check_shape
from service.graph_io.fields import (
    MAX_ATTRIBUTE_ITEMS,
    MAX_ATTRIBUTE_TEXT,
    MAX_ATTRIBUTES,
    MAX_INTEGER,
    MAX_PARAMETERS_A_NODE,
    Place,
    closest,
    integers_at,
    kind_of,
    plain_integers,
    read_integer,
    read_integers,
    read_list,
    read_number,
    read_object,
    read_text,
    shown,
    text_at,
)
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits
from service.graph_io.operators import OPERATORS
from service.graph_io.plain_nodes import NODE_KEYS, PARAMETER_KEYS, plain_node
from service.graph_io.program_json import read_program
from service.graph_io.sample import MOST_NUMBERS, Sample

# What other libraries call the operators, for the hint of an error; nothing but the table's names is read.
OTHER_NAMES: dict[str, str] = {
    **dict.fromkeys(
        ("relu", "gelu", "silu", "swish", "sigmoid", "tanh", "hardswish", "relu6", "elu", "mish"),
        "activation",
    ),
    **dict.fromkeys(("dense", "fc", "gemm", "fullyconnected"), "linear"),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution"), "conv"),
    **dict.fromkeys(("bn", "batchnorm1d", "batchnorm2d", "batchnormalization"), "batch_norm"),
    **dict.fromkeys(("adaptiveavgpool2d", "globalaveragepool", "gap", "mean"), "global_avg_pool"),
    **dict.fromkeys(("sum", "plus"), "add"),
    **dict.fromkeys(("cat", "join"), "concat"),
    **dict.fromkeys(("transpose", "swapaxes"), "permute"),
    **dict.fromkeys(("view", "squeeze", "unsqueeze"), "reshape"),
    **dict.fromkeys(("se", "squeeze_excite"), "channel_gate"),
    **dict.fromkeys(("msa", "multiheadattention", "self_attention"), "attention"),
    **dict.fromkeys(("lstm", "gru", "rnn"), "recurrent"),
    **dict.fromkeys(("maxpool", "maxpool2d"), "max_pool"),
    **dict.fromkeys(("avgpool", "avgpool2d", "averagepool"), "avg_pool"),
    **dict.fromkeys(("upsample", "interpolate"), "resize"),
}


def graph_schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12) of the format."""
    text = files("service.graph_io.schema").joinpath("archgraph.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def read_json_graph(document: Mapping[str, Any], *, limits: GraphLimits = DEFAULT_LIMITS) -> ArchGraph:
    """Read a document of the format, as parsed JSON.

    Raises InvalidArchitecture, UnsupportedOperator or LimitExceeded; `field` is the JSON pointer of what is
    wrong.
    """
    root = Place()
    graph = read_object(
        document,
        root,
        required=("nodes", "input_shape"),
        optional=("format", "outputs", "name", "unattached", "program", "sample", "$schema"),
    )
    if graph.get("format", "graph") != "graph":
        raise (root / "format").refuse(f"The format is {shown(graph['format'])}, expected 'graph'.")
    entries = read_list(graph["nodes"], root / "nodes", most=limits.max_nodes)
    nodes = [
        plain_node(entry, limits) or _node(entry, root / "nodes" / index, limits)
        for index, entry in enumerate(entries)
    ]
    outputs = _names(graph.get("outputs", ()), root / "outputs", limits)
    shape = read_integers(graph["input_shape"], root / "input_shape", most=limits.max_rank, least_value=1)
    check_shape(shape, "the input", limits)
    spare = read_list(graph.get("unattached", ()), root / "unattached", most=limits.max_nodes)
    unattached = tuple(
        _unattached(entry, root / "unattached" / index, limits) for index, entry in enumerate(spare)
    )
    name = read_text(graph.get("name", ""), root / "name", max_length=limits.max_name_length)
    program = graph.get("program")
    exact = None if program is None else read_program(program, root / "program", limits)
    sample = _sample(graph["sample"], root / "sample", limits) if "sample" in graph else None
    try:
        built = build_graph(
            nodes, outputs=outputs, input_shape=shape, name=name, unattached=unattached, limits=limits
        )
        return dataclasses.replace(built, program=exact, sample=sample)
    except ServiceError as error:
        # The checks know nodes; the document has positions.
        positions = {node.name: index for index, node in enumerate(nodes)}
        position = positions.get(error.extra.get("node", ""))
        error.extra.setdefault("field", "/nodes" if position is None else f"/nodes/{position}")
        raise


def _sample(value: Any, place: Place, limits: GraphLimits) -> Sample:
    sample = read_object(value, place, required=("output",), optional=("layers",))
    output = read_list(sample["output"], place / "output", most=MOST_NUMBERS)
    layers = sample.get("layers", {})
    if not isinstance(layers, Mapping):
        inside = place / "layers"
        raise inside.refuse(f"{inside.named} must be an object, not {kind_of(layers)}.")
    read_list([*layers], place / "layers", most=limits.max_nodes)
    return Sample(
        tuple(read_number(item, place / "output" / index) for index, item in enumerate(output)),
        tuple((path, read_number(size, place / "layers" / path)) for path, size in layers.items()),
    )


def _node(entry: Any, place: Place, limits: GraphLimits) -> Node:
    if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
        place = place.inside(entry["name"][: limits.max_name_length])
    needed, others = NODE_KEYS
    node = read_object(entry, place, required=needed, optional=others)
    cell = node.get("cell")
    return Node(
        name=text_at(node, "name", place, max_length=limits.max_name_length),
        op=_operator(node, place),
        inputs=_names(node["inputs"], place / "inputs", limits) if "inputs" in node else (),
        params=_parameters(node["params"], place / "params", limits) if "params" in node else (),
        attrs=_attributes(node["attrs"], place / "attrs") if "attrs" in node else {},
        cell=None if cell is None else read_integer(cell, place / "cell", least=0, most=limits.max_nodes),
    )


def _parameters(value: Any, place: Place, limits: GraphLimits) -> tuple[Parameter, ...]:
    if not isinstance(value, Mapping):
        raise place.refuse(
            f"{place.named} must be an object from roles to parameters, not {kind_of(value)}.",
            'For example {"weight": {"name": "conv.weight", "shape": [64, 3, 3, 3]}}.',
        )
    read_list([*value], place, most=MAX_PARAMETERS_A_NODE)
    return tuple(
        _parameter(entry, read_text(role, place, max_length=limits.max_name_length), place / role, limits)
        for role, entry in value.items()
    )


def _operator(node: Mapping[str, Any], place: Place) -> str:
    op = text_at(node, "op", place)
    if op in OPERATORS:
        return op
    place /= "op"
    plain = op.lower().removeprefix("nn.").replace("-", "_")
    like = OTHER_NAMES.get(plain) or OTHER_NAMES.get(plain.replace("_", "")) or closest(plain, OPERATORS)
    raise UnsupportedOperator(
        f"Node {shown(place.node)} has the unknown operator {shown(op)}.",
        field=place.pointer,
        node=place.node,
        operator=op[:80],
        hint=(f"Did you mean {like!r}? " if like else "") + f"Operators: {', '.join(sorted(OPERATORS))}.",
    )


def _names(value: Any, place: Place, limits: GraphLimits) -> tuple[str, ...]:
    items = read_list(value, place, most=limits.max_edges)
    if all(type(item) is str and len(item) <= limits.max_name_length for item in items):
        return tuple(items)
    return tuple(
        read_text(item, place / index, max_length=limits.max_name_length) for index, item in enumerate(items)
    )


def _parameter(value: Any, role: str, place: Place, limits: GraphLimits) -> Parameter:
    needed, others = PARAMETER_KEYS
    entry = read_object(value, place, required=needed, optional=others)
    return _made_parameter(entry, role, place, limits)


def _unattached(value: Any, place: Place, limits: GraphLimits) -> Parameter:
    needed, others = PARAMETER_KEYS
    entry = read_object(value, place, required=needed, optional=(*others, "role"))
    role = read_text(entry.get("role", "weight"), place / "role", max_length=limits.max_name_length)
    return _made_parameter(entry, role, place, limits)


def _made_parameter(entry: Mapping[str, Any], role: str, place: Place, limits: GraphLimits) -> Parameter:
    name = text_at(entry, "name", place, max_length=limits.max_name_length)
    shape = integers_at(entry, "shape", place, most=limits.max_rank, least_value=1)
    axes = entry.get("axes")
    if axes is not None:
        axes = read_integers(axes, place / "axes", most=limits.max_rank)
        if sorted(axes) != list(range(len(shape))):
            raise (place / "axes").refuse(
                f"{(place / 'axes').named}, {list(axes)}, do not permute the {len(shape)} axes of the shape.",
                f"List each of 0 to {len(shape) - 1} once.",
            )
    trainable = entry.get("trainable", True)
    if not isinstance(trainable, bool):
        raise (place / "trainable").refuse(
            f"{(place / 'trainable').named} must be true or false, not {kind_of(trainable)}."
        )
    return Parameter(name, shape, role, axes, trainable)


def _attributes(value: Any, place: Place) -> dict[str, AttrValue]:
    if not isinstance(value, Mapping):
        raise place.refuse(f"{place.named} must be an object, not {kind_of(value)}.")
    read_list([*value], place, most=MAX_ATTRIBUTES)
    return {
        read_text(key, place): item if _is_plain(item) else _attribute(item, place, key)
        for key, item in value.items()
    }


def _is_plain(value: Any) -> bool:
    """Whether an attribute is one of those that are right as they are; most are."""
    return value is None or type(value) is bool or (type(value) is int and abs(value) <= MAX_INTEGER)


def _attribute(value: Any, attributes: Place, key: str) -> AttrValue:
    integers = plain_integers(value, MAX_ATTRIBUTE_ITEMS)
    if integers is not None:
        return integers
    place = attributes / key
    if isinstance(value, str):
        return _attribute_text(value, place)
    if isinstance(value, int):
        return read_integer(value, place)
    if isinstance(value, float):
        return read_number(value, place)
    if not isinstance(value, list | tuple):
        raise place.refuse(f"{place.named} must be a value or a flat array of values, not {kind_of(value)}.")
    items = list(enumerate(read_list(value, place, most=MAX_ATTRIBUTE_ITEMS)))
    if any(isinstance(item, str) for _, item in items):
        return tuple(_attribute_text(item, place / index) for index, item in items)
    if any(isinstance(item, float) for _, item in items):
        return tuple(read_number(item, place / index) for index, item in items)
    return read_integers(value, place, most=MAX_ATTRIBUTE_ITEMS)


def _attribute_text(value: Any, place: Place) -> str:
    text = read_text(value, place, max_length=MAX_ATTRIBUTE_TEXT)
    if not text.isprintable():
        raise place.refuse(f"{place.named} has control characters.")
    return text
