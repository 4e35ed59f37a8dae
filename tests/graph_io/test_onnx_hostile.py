"""Files that are broken, or made to break the reader: each a clear error, soon, never another exception."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from google.protobuf.internal import api_implementation
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import GraphProto, TensorProto, helper

from service.errors import InvalidArchitecture, InvalidInput, LimitExceeded, ServiceError
from service.graph_io.archgraph import ArchGraph
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits
from service.graph_io.onnx_reader import read_onnx
from service.graph_io.sandbox import read_in_child, read_onnx_isolated
from tests.graph_io.onnx_models import FLOAT, bare, ints, model, node, small_resnet
from tests.graph_io.test_onnx_fusions import ATTENTION_TENSORS, attention_nodes

GOOD = small_resnet().SerializeToString()
CONV = node("Conv", ["x", "w"], "y", name="c")


def _varint(number: int) -> bytes:
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def _wrapped(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(body)) + body


def _noise(seed: int, count: int) -> bytes:
    return random.Random(seed).randbytes(count)


def _deep_messages() -> bytes:
    body = b""
    for _ in range(200):
        body = _wrapped(1, _wrapped(5, _wrapped(6, body)))
    return b"\x08\x08" + _wrapped(7, body)


def _nested_if(depth: int) -> bytes:
    def branch(level: int) -> GraphProto:
        output = helper.make_tensor_value_info(f"o{level}", FLOAT, None)
        if level == 0:
            return helper.make_graph([helper.make_node("Relu", ["x"], ["o0"])], "g", [], [output])
        leaf = helper.make_graph(
            [helper.make_node("Relu", ["x"], ["e"])],
            "e",
            [],
            [helper.make_tensor_value_info("e", FLOAT, None)],
        )
        made = helper.make_node(
            "If", ["c"], [f"o{level}"], f"if{level}", then_branch=branch(level - 1), else_branch=leaf
        )
        return helper.make_graph([made], "g", [], [output])

    graph = branch(depth)
    graph.input.extend(
        [helper.make_tensor_value_info("x", FLOAT, [1]), helper.make_tensor_value_info("c", FLOAT, [1])]
    )
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString())


def _nested_functions(levels: int, calls: int) -> bytes:
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]
    functions = [
        helper.make_function("local", "f0", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], imports)
    ]
    for level in range(1, levels):
        names = ["a", *(f"m{call}" for call in range(calls - 1)), "b"]
        body = [
            helper.make_node(f"f{level - 1}", [names[call]], [names[call + 1]], domain="local")
            for call in range(calls)
        ]
        functions.append(helper.make_function("local", f"f{level}", ["a"], ["b"], body, imports))
    top = helper.make_node(f"f{levels - 1}", ["x"], ["y"], domain="local", name="top")
    return bytes(model([top], functions=functions).SerializeToString())


def _recursive_function() -> bytes:
    imports = [helper.make_opsetid("local", 1)]
    function = helper.make_function(
        "local",
        "f",
        ["a"],
        ["b"],
        [helper.make_node("f", ["a"], ["b"], domain="local", name="again")],
        imports,
    )
    return bytes(
        model([helper.make_node("f", ["x"], ["y"], domain="local")], functions=[function]).SerializeToString()
    )


def _conv(*dims: int) -> bytes:
    return bytes(model([CONV], [bare("w", *dims)]).SerializeToString())


def _many_relus(count: int) -> bytes:
    names = ["x", *(f"v{index}" for index in range(count - 1)), "y"]
    nodes = [helper.make_node("Relu", [names[index]], [names[index + 1]]) for index in range(count)]
    return bytes(model(nodes).SerializeToString())


def _huge_range() -> bytes:
    nodes = [node("Range", ["a", "b", "c"], "r"), node("Add", ["x", "r"], "y")]
    return bytes(model(nodes, [ints("a", 0), ints("b", 10**15), ints("c", 1)]).SerializeToString())


def _bad_name() -> bytes:
    return bytes(
        model([node("Relu", ["x"], "bbbb"), node("Relu", ["bbbb"], "y")]).SerializeToString()
    ).replace(b"bbbb", b"\xff\xfe\xfd\xfc")


def _wrong_attribute() -> bytes:
    return bytes(model([node("Concat", ["x", "x"], "y", name="cat", axis="one")]).SerializeToString())


CASES: list[tuple[str, Callable[[], bytes], type[ServiceError], str]] = [
    ("empty", lambda: b"", InvalidInput, "empty"),
    ("truncated", lambda: GOOD[: len(GOOD) // 2], InvalidInput, "truncated"),
    ("noise", lambda: _noise(1, 10_000_000), InvalidInput, "not an ONNX model"),
    ("noise behind a good start", lambda: b"\x08\x08" + _noise(2, 10_000_000), InvalidInput, "ONNX"),
    ("zeros", lambda: bytes(10_000_000), InvalidInput, "not an ONNX model"),
    ("html", lambda: b"<html></html>", InvalidInput, "web page"),
    ("pytorch checkpoint", lambda: b"PK\x03\x04rest", InvalidInput, "zip"),
    ("no graph", lambda: b"\x08\x08", InvalidInput, "no ONNX graph"),
    ("no nodes", lambda: model([]).SerializeToString(), InvalidArchitecture, "no nodes"),
    ("deep messages", _deep_messages, InvalidInput, "nested"),
    (
        "5 million empty nodes",
        lambda: b"\x08\x08" + _wrapped(7, b"\n\x00" * 5_000_000),
        LimitExceeded,
        "parts",
    ),
    ("5 million attributes", lambda: _wrapped(7, _wrapped(1, b"*\x00" * 5_000_000)), LimitExceeded, "parts"),
    ("too many nodes", lambda: _many_relus(30_000), LimitExceeded, "20,000"),
    ("nested subgraphs", lambda: _nested_if(8), LimitExceeded, "if"),
    ("functions that double", lambda: _nested_functions(40, 2), LimitExceeded, "10\\^12"),
    ("functions in a row", lambda: _nested_functions(2000, 1), LimitExceeded, "deeper"),
    ("a function that calls itself", _recursive_function, InvalidArchitecture, "calls itself"),
    ("negative dimension", lambda: _conv(4, -3, 3, 3), InvalidArchitecture, "'w'.*negative"),
    ("zero dimension", lambda: _conv(4, 3, 0, 3), InvalidArchitecture, "1 or more"),
    ("10^12 elements", lambda: _conv(10**6, 10**6, 1, 1), LimitExceeded, "1,000,000,000,000"),
    ("a dimension of 10^15", lambda: _conv(10**15, 1, 1, 1), LimitExceeded, "'w'"),
    ("1000 axes", lambda: _conv(*[1] * 1000), LimitExceeded, "'w'.*axes"),
    (
        "undefined value",
        lambda: model([node("Relu", ["z"], "y", name="n")]).SerializeToString(),
        InvalidArchitecture,
        "'n'.*'z'",
    ),
    (
        "missing output",
        lambda: model([node("Relu", ["x"], "z")]).SerializeToString(),
        InvalidArchitecture,
        "'y'",
    ),
    (
        "a value made twice",
        lambda: model(
            [node("Relu", ["x"], "y", name="a"), node("Relu", ["x"], "y", name="b")]
        ).SerializeToString(),
        InvalidArchitecture,
        "'a' and 'b'",
    ),
    ("a name that is no text", _bad_name, InvalidArchitecture, "UTF-8"),
    ("an attribute of the wrong type", _wrong_attribute, InvalidArchitecture, "'axis'.*'cat'"),
    (
        "strides for another rank",
        lambda: model(
            [node("Conv", ["x", "w"], "y", name="c", strides=[1])], [bare("w", 4, 3, 3, 3)]
        ).SerializeToString(),
        InvalidArchitecture,
        "'c'.*strides",
    ),
]


@pytest.mark.parametrize(
    ("make", "error", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_hostile_files(make: Callable[[], bytes], error: type[ServiceError], text: str) -> None:
    data = make()
    started = time.process_time()
    with pytest.raises(error, match=text) as caught:
        read_onnx_isolated(data, DEFAULT_LIMITS)
    assert time.process_time() - started < 2
    assert 400 <= caught.value.status < 500 and caught.value.problem()["detail"]


def test_harmless_depths_are_read() -> None:
    assert len(read_onnx(_nested_functions(8, 2)).nodes) == 129
    assert len(read_onnx(_nested_if(2)).nodes) > 1
    assert len(read_onnx(_huge_range()).nodes) == 2


def test_protobuf_is_the_compiled_one() -> None:
    """The pure Python implementation recursed without bounds in the past."""
    assert api_implementation.Type() == "upb"


def test_limits_name_themselves() -> None:
    with pytest.raises(LimitExceeded) as caught:
        read_onnx(GOOD, limits=GraphLimits(max_bytes=100))
    assert caught.value.extra["limit"] == 100 and caught.value.extra["value"] == len(GOOD)


# In a child process


def _same(left: ArchGraph, right: ArchGraph) -> bool:
    return (left.nodes, left.outputs, left.input_shape) == (right.nodes, right.outputs, right.input_shape)


def test_a_child_reads_the_same() -> None:
    assert _same(read_in_child(GOOD, DEFAULT_LIMITS, 60), read_onnx(GOOD))


def test_a_child_passes_errors_on() -> None:
    with pytest.raises(InvalidArchitecture, match="negative") as caught:
        read_in_child(_conv(4, -3, 3, 3), DEFAULT_LIMITS, 60)
    assert caught.value.extra["node"] == "w"


def test_a_child_that_takes_too_long_is_killed() -> None:
    with pytest.raises(LimitExceeded, match="longer"):
        read_in_child(GOOD, DEFAULT_LIMITS, 0.01)


# Mutations


def _seeds() -> list[bytes]:
    attention = model(attention_nodes(), ATTENTION_TENSORS, shape=(1, 4, 8))
    quantised = model(
        [
            node("DequantizeLinear", ["w8", "s"], "w"),
            node("Conv", ["x", "w"], "y", strides=[2, 2], pads=[1, 1, 1, 1]),
        ],
        [bare("w8", 4, 3, 3, 3, data_type=TensorProto.INT8), bare("s")],
    )
    shapes = model(
        [
            node("Shape", ["x"], "s"),
            node("Slice", ["s", "a", "b"], "t"),
            node("Concat", ["t", "a"], "u", axis=0),
            node("Reshape", ["x", "u"], "v"),
            node("Unsqueeze", ["v", "a"], "y"),
        ],
        [ints("a", 0), ints("b", 2)],
    )
    return [
        GOOD,
        bytes(attention.SerializeToString()),
        bytes(quantised.SerializeToString()),
        bytes(shapes.SerializeToString()),
        _nested_if(2),
        _nested_functions(3, 2),
    ]


SEEDS = _seeds()


@settings(max_examples=400, deadline=None)
@given(
    st.integers(0, len(SEEDS) - 1),
    st.lists(
        st.tuples(st.integers(0, 10**6), st.sampled_from("xid"), st.integers(0, 255)), min_size=1, max_size=6
    ),
)
def test_any_mutation_is_read_or_refused(seed: int, changes: list[tuple[int, str, int]]) -> None:
    data = bytearray(SEEDS[seed])
    for position, how, byte in changes:
        place = position % max(1, len(data))
        if how == "x" and data:
            data[place] = byte
        elif how == "i":
            data.insert(place, byte)
        elif data:
            del data[place]
    try:
        read_onnx(bytes(data))
    except ServiceError as error:
        assert error.status < 500
