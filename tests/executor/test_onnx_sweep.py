"""Every layer and function of torch, exported to ONNX by both exporters, is run as onnxruntime runs the file,
or refused.

There is no third outcome: what the reader does not translate in full it marks, and the executor refuses it.
"""

from __future__ import annotations

import contextlib
import io
import warnings

import numpy as np
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from torch import Tensor, nn

from service.errors import UnsupportedOperator
from service.executor.networks import Network
from service.graph_io.onnx_reader import read_onnx
from tests.executor.torch_layers import LAYERS, Case
from tests.graph_io.onnx_filling import outputs, own_weights

CASES = {case.name: case for case in LAYERS}
# Some of each family, which must run.
RUN = (
    "conv groups", "conv same even", "conv padded reflect", "conv1d", "transposed conv groups", "batch norm",
    "group norm", "group norm plain", "instance norm", "layer norm", "max pool", "avg pool",
    "adaptive avg pool 1", "leaky relu", "gelu", "gelu tanh", "hardswish", "mish", "softplus", "constant pad",
    "reflection pad", "upsample bilinear", "2 / (1 + x^2)", "masked fill", "mean spatial", "topk", "slice",
    "chunk", "cat", "stack", "expand", "einsum", "multi-head no bias", "sdpa", "sdpa scale",
    "spelled attention bias", "encoder layer length first", "learned bias", "position table", "class token",
    "squeeze and excite",
)  # fmt: skip
RUN_BY_DYNAMO = ("conv padded reflect", "layer norm", "gelu tanh", "avg pool", "slice", "sdpa scale")
REFUSED = ("LSTM False", "prelu", "constant tensor", "standardised conv", "write a part")
# An exporter's file that onnxruntime itself does not run: there is nothing to compare with.
NOT_RUN_ELSEWHERE = {("conv same dilated", "torchscript")}


class NotExported(Exception):
    """The exporter does not know the layer: there is no file to read."""


def by_torchscript(module: nn.Module, images: Tensor) -> bytes:
    file = io.BytesIO()
    # Batch norms that train are exported so: they are run with the statistics of the batch.
    mode = torch.onnx.TrainingMode.PRESERVE
    torch.onnx.export(module, (images,), file, dynamo=False, training=mode, opset_version=17)
    return file.getvalue()


def by_dynamo(module: nn.Module, images: Tensor) -> bytes:
    program = torch.onnx.export(module, (images,), dynamo=True, verbose=False)
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


EXPORTERS = {"torchscript": by_torchscript, "dynamo": by_dynamo}


def exported(case: Case, exporter: str) -> bytes:
    module, images = case.module(), case.images(3)
    # What torch computes by a fused kernel of its own has no ONNX operator.
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return EXPORTERS[exporter](module, images)
    except torch.onnx.OnnxExporterError as error:
        raise NotExported(case.name) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def is_run(case: Case, exporter: str) -> bool:
    """Whether the exported file is run, and then as onnxruntime runs it; if not, it is refused by name."""
    data, images = exported(case, exporter), case.images(3)
    graph = read_onnx(data)
    try:
        network = Network(graph)
    except UnsupportedOperator as error:
        assert error.extra["node"] and "cannot be run" in error.detail
        return False
    (input_name,) = (node.name for node in graph.nodes if node.op == "input")
    expected, *_ = outputs(data, {input_name: images.numpy()})
    weights = {name: torch.from_numpy(np.array(values)) for name, values in own_weights(data).items()}
    with torch.no_grad():
        result = network(images, weights)
    assert tuple(result.shape) == expected.shape
    expected = expected.astype(np.float32)
    tolerance = 1e-4 * float(np.abs(expected).max())
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-4, atol=tolerance)
    return True


@pytest.mark.parametrize("name", RUN)
def test_an_exported_layer_is_run_as_onnxruntime_runs_it(name: str) -> None:
    assert is_run(CASES[name], "torchscript")


@pytest.mark.parametrize("name", RUN_BY_DYNAMO)
def test_so_is_what_the_other_exporter_makes_of_it(name: str) -> None:
    assert is_run(CASES[name], "dynamo")


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_translated_in_full_is_refused(name: str) -> None:
    assert not is_run(CASES[name], "torchscript")


@pytest.mark.slow
@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", CASES)
def test_there_is_no_third_outcome(name: str, exporter: str) -> None:
    case = CASES[name]
    if (name, exporter) in NOT_RUN_ELSEWHERE:
        with pytest.raises(InvalidArgument):
            is_run(case, exporter)
        return
    with contextlib.suppress(NotExported):
        is_run(case, exporter)
