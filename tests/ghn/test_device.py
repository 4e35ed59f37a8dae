"""A GHN on a GPU that is simulated (tests/simulated_gpu.py): every tensor is where it should be, values are
those of the CPU, and copies are few.
"""

from __future__ import annotations

import pytest
import torch

from service.errors import Unavailable
from service.ghn.batch import GraphBatch
from service.ghn.config import GHNConfig
from service.ghn.device import check_device, find_device, is_out_of_memory
from service.ghn.model import GHN
from service.ghn.registry import LoadedModel, load_model
from service.graph_io.primitives import to_primitives
from service.graph_io.read import read_document
from service.graph_io.torch_tracer import trace_torchvision
from tests.simulated_gpu import CUDA, SimulatedGpu

MODEL = "ghn2-cifar10"
CELLS = (
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
    "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|skip_connect~2|",
)


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model(MODEL)


@pytest.mark.parametrize("name", ["resnet50", "vit_b_16"])
def test_a_gpu_predicts_what_the_cpu_does_with_one_copy_each_way(model: LoadedModel, name: str) -> None:
    graph = trace_torchvision(name)
    with SimulatedGpu() as gpu:
        on_gpu = load_model(MODEL, "auto")
        assert on_gpu.ghn.device == CUDA and gpu.to_cpu == 0
        gpu.to_gpu = gpu.operations = 0
        answer = on_gpu.predict(graph)
        assert (gpu.to_gpu, gpu.to_cpu) == (1, 1)
        assert 10 < gpu.operations < 100
    for key, block in model.predict(graph).blocks.items():
        assert answer.blocks[key].values.shape == block.values.shape
        assert answer.blocks[key].values.tobytes() == block.values.tobytes()


def test_embeddings_do_not_depend_on_the_device(model: LoadedModel) -> None:
    graphs = [trace_torchvision("resnet18"), trace_torchvision("squeezenet1_1")]
    with SimulatedGpu() as gpu:
        on_gpu = load_model(MODEL, "cuda")
        gpu.operations = gpu.to_gpu = 0
        assert on_gpu.embed(graphs).tobytes() == model.embed(graphs).tobytes()
        assert gpu.operations == gpu.to_gpu == gpu.to_cpu == 0


def test_a_copy_on_the_cpu_predicts_the_same(model: LoadedModel) -> None:
    graph = trace_torchvision("resnet18")
    with SimulatedGpu():
        on_gpu = load_model(MODEL, "cuda")
        copy = on_gpu.on_cpu()
        assert on_gpu.ghn.device == CUDA
    answer, wanted = copy.predict(graph).expand(), model.predict(graph).expand()
    assert copy.ghn.device.type == "cpu" and all(
        answer[key].tobytes() == wanted[key].tobytes() for key in wanted
    )


@pytest.mark.parametrize("changes", [{}, {"propagation": "synchronous"}, {"gnn": "transformer"}])
def test_gradients_of_a_ghn_on_a_gpu_are_those_of_the_cpu(changes: dict[str, object]) -> None:
    """What training uses: all of the GHN on the GPU, its gradient through the GNN written for tensors."""
    torch.manual_seed(0)
    config = GHNConfig(hidden=8, max_channels=8, max_kernel=3, **changes)  # type: ignore[arg-type]
    here, there = GHN(config).double(), GHN(config).double()
    there.load_state_dict(here.state_dict())
    graphs = [to_primitives(read_document({"format": "nasbench201", "cell": cell})) for cell in CELLS]
    batch = GraphBatch.from_graphs(graphs, config)
    with SimulatedGpu() as gpu:
        there.to(CUDA)
        _sum(there, batch.to(CUDA)).backward()
        assert gpu.to_cpu == 0
        gradients = {name: _on_cpu(parameter.grad) for name, parameter in there.named_parameters()}
    _sum(here, batch).backward()
    for name, parameter in here.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-9, atol=1e-12, msg=name)


def _sum(ghn: GHN, batch: GraphBatch) -> torch.Tensor:
    # Squares: the sum of what a norm gives has no gradient.
    return torch.stack([(v**2).sum() for part in ghn.predict_tensors(batch) for v in part.values()]).sum()


def _on_cpu(gradient: torch.Tensor | None) -> torch.Tensor | None:
    return None if gradient is None else gradient.cpu()


def test_a_forgotten_device_is_found() -> None:
    """The simulation itself: what torch refuses, it refuses."""
    with SimulatedGpu():
        there = torch.ones(3, device=CUDA)
        assert (there * 2 + torch.tensor(1.0)).sum().cpu() == 9
        with pytest.raises(RuntimeError, match="together"):
            there + torch.ones(3)
        with pytest.raises(RuntimeError, match="together"):
            torch.cat([there.new_zeros(2), torch.zeros(2)])


# --- names of devices


def _gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: count > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)


def test_a_name_is_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    _gpus(monkeypatch, 0)
    assert find_device("auto").type == find_device("cpu").type == "cpu"
    _gpus(monkeypatch, 2)
    assert find_device("auto") == find_device("cuda") == torch.device("cuda", 0)
    assert find_device("cuda:1") == torch.device("cuda", 1) and find_device("cpu").type == "cpu"


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.version.cuda", "13.0")
    for count, name, seen in ((0, "cuda", "no GPU"), (2, "cuda:2", "cuda:0, cuda:1")):
        _gpus(monkeypatch, count)
        with pytest.raises(Unavailable, match=f"torch sees {seen}") as caught:
            find_device(name)
        assert caught.value.extra["device"] == name and "WEIGHTCAST_DEVICE" in caught.value.extra["hint"]


def test_a_worker_looks_without_touching_cuda_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    _gpus(monkeypatch, 2000)  # of this process, which is not asked
    with pytest.raises(Unavailable, match="cuda:1999") as caught:
        check_device("cuda:1999")
    assert caught.value.extra["hint"]
    check_device("auto")
    check_device("cpu")


def test_what_counts_as_a_full_gpu() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"))
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
    assert not is_out_of_memory(MemoryError())
