"""ONNX files are run as onnxruntime runs them, or refused: every layer of torch with arguments of its own."""

from __future__ import annotations

from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from service.errors import UnsupportedOperator
from service.executor import onnx_check
from service.executor.networks import Network
from service.executor.onnx_check import check_onnx
from service.executor.programs import ProgramNetwork
from service.graph_io.onnx_strip import strip_onnx
from service.graph_io.read import read_document
from tests.executor.torch_layers import LAYERS, Case
from tests.torchscript_exporter import export


def exported(module: nn.Module, images: torch.Tensor) -> bytes:
    options: dict[str, Any] = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    names = {"input_names": ["images"], "dynamic_axes": {"images": {0: "batch"}}}
    return export(module.eval(), (images,), **names, **options)


def parameters(file: bytes) -> dict[str, torch.Tensor]:
    model = onnx.load_model_from_string(file)
    return {
        entry.name: torch.from_numpy(onnx.numpy_helper.to_array(entry).copy())
        for entry in model.graph.initializer
    }


@pytest.mark.slow
@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.name)
def test_an_exported_layer_is_run_as_onnxruntime_runs_it_or_refused(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", LAYERS[::12], ids=lambda case: case.name)
def test_some_exported_layers_are_run_as_onnxruntime_runs_them_or_refused(case: Case) -> None:
    check(case)


def check(case: Case) -> None:
    module = case.module().eval()
    try:
        file = exported(module, case.images(2))
    except Exception:  # the exporter's own refusals are of many kinds
        return
    try:
        network = Network(read_document(file, runnable=True))
    except UnsupportedOperator:
        return
    if network.batch_norms:
        return  # onnxruntime uses the running statistics of the file
    images = case.images(2)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    try:
        (expected,) = session.run(None, {"images": images.numpy()})[:1]
    except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument:
        return  # onnxruntime does not run "same" padding with gaps
    values = {**dict(module.named_parameters()), **parameters(file)}
    with torch.no_grad():
        result = network(images, values)
    assert tuple(result.shape) == expected.shape
    wanted = torch.from_numpy(expected).float()
    torch.testing.assert_close(result, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


def test_a_file_without_its_weights_has_the_same_program() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.PReLU(4), nn.Flatten(), nn.Linear(144, 5)
    )
    file = exported(module, torch.zeros(1, 3, 8, 8))
    whole, stripped = (read_document(data, runnable=True) for data in (file, strip_onnx(file)))
    assert whole.program is not None and whole.program == stripped.program
    shapes = {parameter.name: parameter.shape for parameter in whole.all_parameters()}
    network = ProgramNetwork(whole.program, whole.input_shape, shapes)
    assert [path for _, path in network.batch_norms] == ["1"]
    x = torch.randn(6, 3, 8, 8)
    torch.testing.assert_close(network(x, parameters(file)), module.train()(x))


def test_nothing_is_recorded_for_whoever_does_not_run_it() -> None:
    file = exported(nn.Linear(3, 2), torch.zeros(1, 3))
    assert read_document(file).program is None


def test_a_file_that_asks_for_a_huge_tensor_has_no_program() -> None:
    helper = onnx.helper
    shape = onnx.numpy_helper.from_array(torch.tensor([2**20, 2**20]).numpy(), "shape")
    weight = onnx.numpy_helper.from_array(torch.zeros(4, 4).numpy(), "weight")
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["y"]),
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["total"], keepdims=0),
        helper.make_node("Add", ["y", "total"], ["z"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "huge", [value("x", 1, ["n", 4])], [value("z", 1, ["n", 4])], [shape, weight]
    )
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    with pytest.raises(UnsupportedOperator, match="makes a tensor of 1,099,511,627,776 numbers"):
        read_document(file, runnable=True)


def test_a_file_is_checked_with_onnxruntime() -> None:
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ELU(0.5), nn.Flatten(), nn.Linear(144, 5))
    file = exported(nn.Sequential(*layers), torch.zeros(1, 3, 8, 8))
    assert check_onnx(Network(read_document(file, runnable=True)), file)
    other = onnx.load_model_from_string(file)
    next(node for node in other.graph.node if node.op_type == "Elu").attribute[0].f = 3.0
    with pytest.raises(UnsupportedOperator, match=r"\(Elu\) is the first that differs") as caught:
        check_onnx(Network(read_document(other.SerializeToString(), runnable=True)), file)
    assert caught.value.extra["operator"] == "Elu"
    next(node for node in other.graph.node if node.op_type == "Elu").op_type = "Nothing"
    with pytest.raises(UnsupportedOperator, match="onnxruntime does not run the file"):
        check_onnx(Network(read_document(file, runnable=True)), other.SerializeToString())


def test_a_file_that_shows_nothing_of_its_inside_is_refused_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def closed(*_: Any) -> None:
        raise RuntimeError("no such output")

    file = exported(nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ELU(0.5)), torch.zeros(1, 3, 2, 2))
    other = onnx.load_model_from_string(file)
    next(node for node in other.graph.node if node.op_type == "Elu").attribute[0].f = 3.0
    monkeypatch.setattr(onnx_check, "first_difference", closed)
    with pytest.raises(UnsupportedOperator, match=r"answers differ by [\d.]+%\.$"):
        check_onnx(Network(read_document(other.SerializeToString(), runnable=True)), file)


def test_a_file_that_was_exported_for_training_is_filled_for_running() -> None:
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(144, 5))
    options: dict[str, Any] = {"training": torch.onnx.TrainingMode.TRAINING, "do_constant_folding": False}
    file = export(nn.Sequential(*layers).train(), (torch.zeros(2, 3, 8, 8),), **options)
    assert check_onnx(Network(read_document(file, runnable=True)), file)
