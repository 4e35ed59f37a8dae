"""The compiled pass against the one of arrays: the same numbers, and the same bits in any company."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from service.ghn import compiled_pass
from service.ghn.array_pass import Weights
from service.ghn.batch import GraphBatch
from service.ghn.config import GHNConfig
from service.ghn.gated_gnn import GatedGNN
from tests.ghn.test_gated_gnn import random_graph

SOURCE = Path(compiled_pass.__file__).with_name("gated_pass.cpp")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code as the installation makes it."""
    compiler = shutil.which((sysconfig.get_config_var("CXX") or "c++").split()[0])
    if compiler is None:
        pytest.skip("there is no C++ compiler here")
    path = tmp_path_factory.mktemp("compiled") / "pass.so"
    subprocess.run([compiler, "-O3", "-shared", "-fPIC", "-Wall", "-Werror", "-o", path, SOURCE], check=True)
    return path


@pytest.fixture
def compiled(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = compiled_pass.load(library)
    monkeypatch.setattr(compiled_pass, "_library", lambda: loaded)


def gradients(gnn: GatedGNN, h: Tensor, batch: GraphBatch) -> list[Tensor]:
    """The new states, and the gradients of h and of all parameters."""
    h = h.clone().requires_grad_()
    states = gnn(h, batch)
    weights = torch.randn(states.shape, generator=torch.Generator().manual_seed(1), dtype=h.dtype)
    inputs = [h, *gnn.parameters()]
    return [states, *torch.autograd.grad((states * weights).sum(), inputs)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "config",
    [
        GHNConfig(),
        GHNConfig(virtual_edge_cutoff=1, rounds=2),
        GHNConfig(hidden=16),
        GHNConfig(hidden=48, rounds=2),
        GHNConfig(propagation="forward"),
    ],
    ids=["ghn2", "ghn1", "narrow", "wide", "forward"],
)
def test_both_ways_agree(
    library: Path, monkeypatch: pytest.MonkeyPatch, config: GHNConfig, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    gnn = GatedGNN(config).to(dtype)
    batch = GraphBatch.from_graphs([random_graph(seed, size) for seed, size in enumerate((9, 33, 4))], config)
    h = 2 * torch.randn(len(batch.primitive_N), config.hidden, dtype=dtype)
    loaded = compiled_pass.load(library)
    monkeypatch.setattr(compiled_pass, "_library", lambda: loaded)
    assert compiled_pass.can_run(h.numpy(), inner=config.hidden)
    ours = gradients(gnn, h, batch)
    monkeypatch.setattr(compiled_pass, "_library", lambda: None)
    theirs = gradients(gnn, h, batch)
    exact = dtype == torch.float64
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10 if exact else 2e-4, atol=1e-11 if exact else 2e-5)


def test_packed_messages_are_read_as_matrices_are(compiled: None) -> None:
    torch.manual_seed(0)
    config = GHNConfig()
    gnn = GatedGNN(config)
    graphs = [random_graph(seed, 60) for seed in range(20)]
    packed = GraphBatch.from_graphs(graphs, config)
    assert packed.edges.before.ndim == 1
    h = torch.randn(len(packed.primitive_N), config.hidden)
    together = gnn(h, packed)
    for graph, rows in zip(graphs, packed.rows, strict=True):
        alone = GraphBatch.from_graphs([graph], config)
        assert alone.edges.before.ndim == 3
        (own,) = alone.rows
        h_alone = torch.empty(len(graph), config.hidden)
        h_alone[own] = h[rows]
        torch.testing.assert_close(gnn(h_alone, alone)[own], together[rows], rtol=1e-5, atol=1e-6)


def test_a_network_has_the_same_bits_in_any_company(compiled: None) -> None:
    """Of the pass itself, whose inputs are the same."""
    config = GHNConfig()
    graph, other = random_graph(3, 40), random_graph(4, 70)
    alone, both = (GraphBatch.from_graphs(graphs, config) for graphs in ([graph], [graph, other]))
    rng = np.random.default_rng(0)
    h = rng.standard_normal((110, config.hidden)).astype(np.float32)
    gh = rng.standard_normal((110, 3 * config.hidden)).astype(np.float32)
    shapes = (32, 96), (96,), (32, 32), (32,), (32, 64), (64,)
    weights = Weights(*(rng.standard_normal(shape).astype(np.float32) / 4 for shape in shapes))

    def states(batch: GraphBatch, h: np.ndarray, gh: np.ndarray) -> np.ndarray:
        values = batch.edges.before.numpy()
        return compiled_pass.forward(h, gh, weights, batch.edges, values, reverse=False).h

    order, rows = alone.rows[0], both.rows[0]
    h_alone, gh_alone = np.empty_like(h[:40]), np.empty_like(gh[:40])
    h_alone[order], gh_alone[order] = h[rows], gh[rows]
    assert np.array_equal(states(alone, h_alone, gh_alone)[order], states(both, h, gh)[rows])


@pytest.mark.parametrize(("dtype", "error"), [(np.float32, 2e-7), (np.float64, 4e-16)])
def test_the_gates_are_exact_and_never_overflow(compiled: None, dtype: type, error: float) -> None:
    """One node without messages: n = tanh(gh) where r = 1 / 2 and the rest is zero."""
    width = 32
    graph = random_graph(0, 2)
    batch = GraphBatch.from_graphs([graph], GHNConfig())
    zeros = [np.zeros(shape, dtype) for shape in ((width, 96), 96, (width, 32), 32, (32, 64), 64)]
    values = batch.edges.before.numpy().astype(dtype)
    for x in (0, 1e-6, -0.3, 0.5, 1.7, -9, 30, 1e6, -np.inf, np.nan):
        gh = np.zeros((2, 96), dtype)
        gh[:, 64:] = 2 * x
        weights = Weights(*zeros)
        states = compiled_pass.forward(np.zeros((2, width), dtype), gh, weights, batch.edges, values, False)
        np.testing.assert_allclose(states.n, np.tanh(dtype(x)), rtol=0, atol=error)
        assert (states.rz == 0.5).all()


def test_widths_that_fill_no_vector_are_left_to_arrays(compiled: None) -> None:
    assert not compiled_pass.can_run(np.zeros((3, 12), np.float32), inner=6)
    assert not compiled_pass.can_run(np.zeros((3, 32), np.float16), inner=32)
    assert not compiled_pass.can_run(torch.zeros(3, 32), inner=32)
