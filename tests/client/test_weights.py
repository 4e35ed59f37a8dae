"""PredictedWeights: into a module, a file, a table."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from service.client import PredictedWeights, Refused, UnexpectedAnswer, WeightsDoNotFit
from service.contract.results import PredictionResult
from service.graph_io.limits import DEFAULT_LIMITS
from service.weights.blocks import Block, Provenance, WeightBlocks
from service.weights.formats import read_tiles, write_weights


class Tied(nn.Module):
    """An embedding that is also the last layer, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(6, 4)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 6, bias=False)
        self.head.weight = self.embed.weight


def block(*shape: int, seed: int = 0) -> Block:
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return Block(values, shape, 1.0, None, Provenance.PREDICTED)


def tied_weights(dtype: str = "float32", tied_name: str = "head.weight") -> PredictedWeights:
    blocks = {tied_name: block(6, 4), "norm.weight": block(4, seed=1), "norm.bias": block(4, seed=2)}
    return PredictedWeights(WeightBlocks(blocks, "ghn2-cifar10", "abc", dtype))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_state_dict_has_the_numbers_of_numpy(dtype: str) -> None:
    weights = tied_weights(dtype)
    state, arrays = weights.state_dict(), weights.numpy()
    assert list(state) == list(arrays)
    for name, tensor in state.items():
        assert tensor.dtype == getattr(torch, dtype)
        np.testing.assert_array_equal(tensor.float().numpy(), arrays[name].astype(np.float32))


def test_state_dict_does_not_copy() -> None:
    state = tied_weights().state_dict()
    storages = {tensor.untyped_storage().data_ptr() // 4096 for tensor in state.values()}
    assert len(storages) <= 2  # one allocation for the whole answer
    state["norm.bias"].add_(1)  # and it is the caller's own


@pytest.mark.parametrize("tied_name", ["embed.weight", "head.weight"])
def test_apply_reaches_tied_parameters_and_leaves_buffers(tied_name: str) -> None:
    module = Tied()
    module.norm.running_mean.fill_(3.0)
    weights = tied_weights(tied_name=tied_name)

    report = weights.apply_to(module)

    assert report.fits
    assert set(report.applied) == {tied_name, "norm.weight", "norm.bias"}
    assert module.head.weight is module.embed.weight
    np.testing.assert_array_equal(module.embed.weight.detach(), weights.numpy()[tied_name])
    assert module.norm.running_mean.eq(3.0).all()


@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, torch.compile, lambda net: nn.DataParallel(torch.compile(net))]
)
def test_apply_reaches_into_wrappers(wrap: Callable[[nn.Module], nn.Module]) -> None:
    weights, net = tied_weights(), Tied()
    applied = weights.apply_to(wrap(net))
    assert applied.fits and len(applied.applied) == 3
    np.testing.assert_array_equal(net.embed.weight.detach().numpy(), weights.numpy()["head.weight"])


def test_apply_leaves_frozen_parameters_alone() -> None:
    """Also where the weights have them: they may be of the same network before it was frozen."""
    module = Tied()
    module.embed.weight.requires_grad_(False)
    kept = module.embed.weight.detach().clone()

    report = tied_weights().apply_to(module)

    assert report.fits
    assert report.frozen == ("head.weight",)
    assert set(report.applied) == {"norm.weight", "norm.bias"}
    assert torch.equal(module.embed.weight.detach(), kept)
    assert "1 frozen" in str(report)

    norms = {"norm.weight": block(4), "norm.bias": block(4)}
    assert PredictedWeights(WeightBlocks(norms, "g", "a", "float32")).apply_to(module).missing == ()


def test_apply_to_parameters_of_other_kinds() -> None:
    weights = tied_weights()
    expected = torch.from_numpy(weights.numpy()["head.weight"])
    halved = Tied().half()
    weights.apply_to(halved)
    torch.testing.assert_close(halved.head.weight.detach(), expected.half(), rtol=0, atol=0)
    transposed = Tied()
    transposed.embed.weight.data = torch.zeros(4, 6).T  # not contiguous
    weights.apply_to(transposed)
    torch.testing.assert_close(transposed.head.weight.detach(), expected, rtol=0, atol=0)


def test_apply_is_noticed_by_autograd() -> None:
    module = nn.Linear(3, 3, bias=False)
    loss = module.weight.square().sum()
    blocks = {"weight": block(3, 3)}
    PredictedWeights(WeightBlocks(blocks, "m", "d")).apply_to(module)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_module_that_does_not_fit_is_left_alone() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    blocks = {"0.weight": block(4, 4), "0.bias": block(5), "extra": block(1), "1.weight": block(2, 4)}
    weights = PredictedWeights(WeightBlocks(blocks, "m", "d"))

    with pytest.raises(WeightsDoNotFit) as caught:
        weights.apply_to(module)

    report = caught.value.report
    assert report.missing == ("1.bias",)
    assert report.unexpected == ("extra",)
    assert report.mismatched == {"0.bias": ((4,), (5,))}
    assert "0.bias has shape [4] in the module, [5] in the weights" in str(caught.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())

    weights.apply_to(module, strict=False)
    np.testing.assert_array_equal(module[0].weight.detach(), blocks["0.weight"].values)
    assert torch.equal(module[0].bias, before["0.bias"])


@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".tiles.safetensors"])
def test_save_follows_the_ending(tmp_path: Path, ending: str) -> None:
    weights = tied_weights()
    path = weights.save(tmp_path / f"net{ending}")
    if ending == ".npz":
        with np.load(path) as archive:
            saved = {name: archive[name] for name in archive.files}
    elif ending == ".safetensors":
        saved = {name: tensor.numpy() for name, tensor in load_file(path).items()}
    else:
        saved = read_tiles(path).expand()
    assert saved.keys() == weights.numpy().keys()
    for name, array in weights.numpy().items():
        np.testing.assert_array_equal(saved[name], array)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]  # no temporary file is left


@pytest.mark.parametrize(("name", "reason"), [("net.bin", "names no form"), ("net.onnx", "no ONNX model")])
def test_save_refuses_what_it_cannot_write(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        tied_weights().save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    path.write_bytes(b"old")
    weights = tied_weights("bfloat16")
    with pytest.raises(Refused, match="bfloat16"):
        weights.save(path)
    assert path.read_bytes() == b"old"


def test_summary() -> None:
    lines = tied_weights().summary().splitlines()
    assert lines[0].split() == ["layer", "parameter", "shape", "from", "std", "He", "std", "std/He"]
    assert lines[2].split()[:4] == ["head", "weight", "6x4", "predicted"]
    std, he, ratio = map(float, lines[2].split()[4:])
    assert he == pytest.approx((2 / 4) ** 0.5, rel=0.01) and ratio == pytest.approx(std / he, abs=0.02)
    # A layer is named once, and a vector has no fan-in to compare with.
    assert lines[3].split()[:4] == ["norm", "weight", "4", "predicted"] and len(lines[3].split()) == 5
    assert lines[4].split()[:3] == ["bias", "4", "predicted"]
    assert lines[0].index("parameter") == lines[2].index("weight") == lines[4].index("bias")
    assert lines[-1] == ("3 tensors, 32 parameters, 100.0% from ghn2-cifar10: 3 predicted (32 numbers)")


def test_summary_tells_where_values_come_from_and_uses_the_canonical_fan_in() -> None:
    origins = [Provenance.TILED, Provenance.DEFAULTED]
    ones = np.ones((2, 8), np.float32)
    blocks = {
        # Stored as (in, out): the fan-in is 8, whatever the layout.
        "fc.weight": Block(ones, (2, 8), 1.0, (1, 0), origins[0]),
        "scale": Block(np.float32(3).reshape(()), (), 1.0, None, origins[1]),
    }
    text = PredictedWeights(WeightBlocks(blocks, "m", "abc")).summary()
    assert "8x2" in text and "5.00e-01" in text and "scalar" in text
    assert text.splitlines()[-1].endswith("1 tiled (16 numbers), 1 defaulted (1 numbers)")


def test_a_network_above_our_own_limit_is_read_if_the_service_answered_it() -> None:
    """How large a network may be is a setting of the service; its file may expand to what it announced."""
    ones = np.ones((2, 2), np.float32)
    shapes = {"a": (2**15, 2**15), "b": (2**14, 2**12)}
    blocks = {name: Block(ones, shape, 1.0, None, Provenance.TILED) for name, shape in shapes.items()}
    body = written(WeightBlocks(blocks, "m", "d", "float32"))
    count = 2**30 + 2**26
    assert count > DEFAULT_LIMITS.max_parameters
    assert tiles_of(body, num_parameters=count).num_parameters == count
    with pytest.raises(UnexpectedAnswer, match="expands to more than"):
        tiles_of(body, num_parameters=count - 1)


def written(weights: WeightBlocks) -> bytes:
    file = io.BytesIO()
    write_weights(file, weights, output="tiles", dtype="float32")
    return file.getvalue()


def tiles_of(body: bytes, *, num_parameters: int) -> PredictedWeights:
    result = PredictionResult(
        digest="d",
        model="m",
        num_tensors=2,
        num_parameters=num_parameters,
        complete=True,
        coverage=1.0,
        weights={"url": "/weights/d", "size": len(body), "sha256": ""},
    )
    return PredictedWeights.from_download(body, output="tiles", dtype="float32", result=result)
