"""Damaged files: whatever is wrong with them, the reader says it with an error of its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import prod
from random import Random
from typing import Any, NoReturn

import numpy as np
import pytest
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper

from service.errors import InvalidArchitecture, ServiceError
from service.graph_io.onnx import table
from service.graph_io.onnx.scopes import all_nodes, graphs
from service.graph_io.onnx_reader import read_onnx
from service.graph_io.onnx_writer import fill_onnx
from tests.graph_io.onnx_models import bare, model, node, small_resnet
from tests.graph_io.test_onnx_filling import KINDS
from tests.graph_io.test_onnx_fusions import ATTENTION_TENSORS, attention_nodes

NUMBERS = (0, 1, -1, 2, 3, 7, 2**31, -(2**63), 2**63 - 1)
OPERATORS = (
    "Conv Gemm MatMul Einsum BatchNormalization LayerNormalization Reshape Transpose Gather Slice Concat "
    "Split Add Mul Where Clip Pad Resize Squeeze Unsqueeze ReduceMean Attention LSTM PRelu Expand MaxPool "
    "Softmax Flatten ConstantOfShape Shape Cast TopK Identity "
    "Constant QLinearConv DeformConv If GlobalAveragePool"
).split()
NAMES = (
    "axis axes perm pads strides kernel_shape dilations group split keepdims epsilon equation value"
).split()


def seeds() -> list[ModelProto]:
    written_out = model(attention_nodes(), ATTENTION_TENSORS, shape=(1, 4, 8))
    return [small_resnet(), written_out, *(make()[0] for make, _ in KINDS.values())]


def any_attribute(random: Random) -> AttributeProto:
    values: list[Any] = [
        random.choice(NUMBERS[:7]),
        [random.choice(NUMBERS) for _ in range(random.randrange(5))],
        random.random(),
        random.choice(["SAME_UPPER", "ij,jk->ik", "reflect", "\N{SNOWMAN}"]),
        helper.make_tensor("", TensorProto.FLOAT, [2], [1.0, 2.0]),
    ]
    return helper.make_attribute(random.choice(NAMES), random.choice(values) or 1)


def change_inputs(part: NodeProto, random: Random) -> None:
    names = list(part.input)
    how = random.randrange(4)
    if names and how == 0:
        names.pop(random.randrange(len(names)))
    elif names and how == 1:
        random.shuffle(names)
    elif names and how == 2:
        names[random.randrange(len(names))] = ""
    else:
        names = names[: random.randrange(len(names) + 1)]
    part.input[:] = names


def change_outputs(part: NodeProto, random: Random) -> None:
    names = list(part.output)
    part.output[:] = names[:-1] if random.random() < 0.5 else [*names, f"more_{random.randrange(9)}"]


def change_operator(part: NodeProto, random: Random) -> None:
    part.op_type = random.choice(OPERATORS)


def add_attribute(part: NodeProto, random: Random) -> None:
    part.attribute.append(any_attribute(random))


def drop_attribute(part: NodeProto, random: Random) -> None:
    if part.attribute:
        del part.attribute[random.randrange(len(part.attribute))]


CHANGES: tuple[Callable[[NodeProto, Random], None], ...] = (
    change_inputs,
    change_outputs,
    change_operator,
    add_attribute,
    drop_attribute,
)


def change_tensor(proto: ModelProto, random: Random) -> None:
    tensors = [tensor for graph in graphs(proto) for tensor in graph.initializer]
    if not tensors:
        return
    tensor = random.choice(tensors)
    if random.random() < 0.3:
        tensor.data_type = random.randrange(24)
    elif tensor.dims and random.random() < 0.5:
        tensor.dims[random.randrange(len(tensor.dims))] = random.choice(NUMBERS)
    else:
        tensor.dims[:] = [random.choice(NUMBERS[:6]) for _ in range(random.randrange(6))]


def damaged(proto: ModelProto, random: Random) -> bytes:
    copy = ModelProto()
    copy.CopyFrom(proto)
    for _ in range(random.randint(1, 4)):
        nodes = list(all_nodes(copy))
        if random.random() < 0.25:
            change_tensor(copy, random)
        else:
            random.choice(CHANGES)(random.choice(nodes), random)
    return bytes(copy.SerializeToString())


def break_names(data: bytes, random: Random) -> bytes:
    """Some letters become bytes that UTF-8 does not have."""
    letters = [place for place, byte in enumerate(data) if chr(byte).isalpha()]
    broken = bytearray(data)
    for place in random.sample(letters, random.randint(1, 20)):
        broken[place] = 0xFF
    return bytes(broken)


def test_names_that_are_no_text_are_refused_in_words() -> None:
    random, models = Random(21), seeds()
    details = set()
    for number in range(600):
        data = break_names(damaged(models[number % len(models)], random), random)
        try:
            read_onnx(data)
        except ServiceError as error:
            assert error.status < 500
            json.dumps(error.problem())
            details.add(error.detail[:20])
    assert any("The name" in detail for detail in details)


def test_no_damage_makes_filling_raise_anything_but_an_error_of_ours() -> None:
    """What could be read may still declare tensors that nobody can make up."""
    random, models = Random(22), seeds()
    outcomes: Counter[str] = Counter()
    for number in range(600):
        data = damaged(models[number % len(models)], random)
        try:
            graph = read_onnx(data)
            parameters = [each for node in graph.nodes for each in node.params] + list(graph.unattached)
            if sum(prod(each.shape) for each in parameters) > 10**6:
                continue
            values = {each.name: np.zeros(each.shape, np.float32) for each in parameters if each.trainable}
            fill_onnx(data, values)
        except ServiceError as error:
            assert error.status < 500
            outcomes["refused"] += 1
        else:
            outcomes["filled"] += 1
    assert min(outcomes["refused"], outcomes["filled"]) > 50, outcomes


def test_a_wrong_shape_of_a_tensor_without_a_readable_name() -> None:
    proto = model([node("Conv", ["x", "w"], "y")], [bare("w", 4, 3, 3, 3), bare("unread", 4)])
    proto.graph.initializer[1].dims[0] = -1
    data = proto.SerializeToString().replace(b"unread", b"un\xffead")
    with pytest.raises(InvalidArchitecture) as caught:
        read_onnx(data)
    assert "UTF-8" in caught.value.detail and "ead" in json.dumps(caught.value.problem())


def test_bytes_in_an_error_become_text() -> None:
    assert InvalidArchitecture("no", node=b"un\xffead").extra["node"] == "un\\xffead"


def test_no_damage_raises_anything_but_an_error_of_ours() -> None:
    random, models = Random(20), seeds()
    unexpected: list[str] = []
    read = 0
    for number in range(1500):
        data = damaged(models[number % len(models)], random)
        try:
            read_onnx(data)
            read += 1
        except ServiceError as error:
            assert error.status < 500 and error.detail
        except Exception as error:
            unexpected.append(f"{number}: {error!r}")
    assert not unexpected
    # Neither all harmless nor all fatal: the damage reaches deep into the reader.
    assert 200 < read < 1300


@pytest.mark.parametrize("mistake", [KeyError("k"), IndexError("i"), TypeError("t"), RuntimeError("r")])
def test_an_unexpected_mistake_names_the_node(monkeypatch: pytest.MonkeyPatch, mistake: Exception) -> None:
    def broken(*_: object) -> NoReturn:
        raise mistake

    monkeypatch.setitem(table.TABLE, "Gemm", replace(table.TABLE["Gemm"], build=broken))
    with pytest.raises(InvalidArchitecture, match="'Gemm:y'") as caught:
        read_onnx(small_resnet().SerializeToString())
    assert caught.value.extra["node"] == "Gemm:y" and caught.value.__cause__ is mistake


def test_a_node_without_its_inputs_is_named() -> None:
    data = model([node("Conv", ["x"], "y")], [bare("w", 4, 3, 3, 3)]).SerializeToString()
    with pytest.raises(InvalidArchitecture, match="has 1 inputs, it needs 2") as caught:
        read_onnx(data)
    assert caught.value.extra["node"] == "Conv:y"
