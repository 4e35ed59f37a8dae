"""A digest of an architecture that does not depend on the order or on the names of its nodes.

Parameter names count: they are part of the answer. Node names, the order of nodes, cell numbers and the name
of the graph do not. Every node is hashed from its operator, attributes and parameters and the hashes of what
it reads (forwards, a Merkle tree over the graph), then from the hashes of what reads it (backwards). Two
nodes share a hash only if the network looks the same from both, before and behind them. The digest covers
all of these hashes, sorted.
"""

from __future__ import annotations

import hashlib

from service.graph_io.archgraph import ArchGraph, AttrValue, Node, Parameter
from service.graph_io.attributes import APPROXIMATE
from service.graph_io.node_attributes import rows_of
from service.graph_io.operators import OPERATORS

VERSION = b"weightcast graph 2"
# The order of terms and factors says nothing; the order of what is joined or multiplied as matrices does.
COMMUTATIVE = frozenset({"add", "mul"})


def graph_digest(graph: ArchGraph) -> str:
    """sha256 as 64 hexadecimal digits. Takes time linear in nodes and edges, and does not recurse."""
    forward = forward_hashes(graph)
    whole = _backward_hashes(graph, forward)
    digest = hashlib.sha256(VERSION)
    for part in sorted(whole.values()):
        digest.update(part)
    outputs = sorted(whole[name].hex() for name in graph.outputs)
    unattached = sorted(_parameter_text(parameter) for parameter in graph.unattached)
    digest.update(repr((graph.input_shape, outputs, unattached)).encode())
    return digest.hexdigest()


def forward_hashes(graph: ArchGraph) -> dict[str, bytes]:
    """By the name of every node: a hash of the node and of everything it is computed from."""
    hashes: dict[str, bytes] = {}
    for node in graph.nodes:
        sources = [hashes[name] for name in node.inputs]
        if node.op in COMMUTATIVE:
            sources.sort()
        hashes[node.name] = _hash(_node_text(node, graph.input_shape), sources)
    return hashes


def _backward_hashes(graph: ArchGraph, forward: dict[str, bytes]) -> dict[str, bytes]:
    outputs = set(graph.outputs)
    readers: dict[str, list[bytes]] = {node.name: [] for node in graph.nodes}
    hashes: dict[str, bytes] = {}
    for node in reversed(graph.nodes):
        seen = [forward[node.name], *sorted(readers[node.name])]
        own = hashes[node.name] = _hash("output" if node.name in outputs else "", seen)
        for position, source in enumerate(node.inputs):
            place = 0 if node.op in COMMUTATIVE else position
            readers[source].append(place.to_bytes(4, "big") + own)
    return hashes


def _hash(text: str, parts: list[bytes]) -> bytes:
    """Hash of a text and of parts. The length in front keeps one from being taken for the other."""
    encoded = text.encode()
    return hashlib.sha256(b"".join((len(encoded).to_bytes(8, "big"), encoded, *parts))).digest()


def _node_text(node: Node, input_shape: tuple[int, ...]) -> str:
    # repr escapes whatever is not printable, so every text has one meaning.
    attributes = sorted(_canonical_attributes(node, input_shape).items())
    return repr((node.op, attributes, sorted(_parameter_text(parameter) for parameter in node.params)))


def _parameter_text(parameter: Parameter) -> str:
    described = (parameter.name, parameter.shape, parameter.role, parameter.axes)
    return repr(described if parameter.trainable else (*described, "kept"))


def _canonical_attributes(node: Node, input_shape: tuple[int, ...]) -> dict[str, AttrValue]:
    """The attributes in one of the several ways of saying the same: as their rows have it, without defaults.
    An input that has the shape that the graph says need not say it. A mark that a node cannot be run says
    nothing about the network.
    """
    rows = rows_of(node) or {row.name: row for row in OPERATORS[node.op].attributes}
    canonical: dict[str, AttrValue] = {}
    default: object
    for name, value in node.attrs.items():
        row = rows.get(name)
        default = input_shape if (node.op, name) == ("input", "shape") else None
        if row is not None:
            value = row.canonical(value)
            default = default or row.canonical_default
        if value is not None and name != APPROXIMATE and value != default:
            canonical[name] = value
    return canonical
