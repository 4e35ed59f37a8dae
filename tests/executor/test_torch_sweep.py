"""Every layer and function of torch, with arguments that are not its defaults, is run as torch runs it, or
refused.

There is no third outcome. Those that are refused are listed, so that one that runs some day leaves the list.
"""

from __future__ import annotations

import pytest
import torch

from service.errors import UnsupportedOperator
from service.executor.networks import Network
from service.graph_io.torch_tracer import trace
from tests.executor.torch_layers import LAYERS, Case

REFUSED = frozenset(
    {
        "LSTM False", "LSTM True", "GRU False", "GRU True", "RNN False", "RNN True",
        # Their weights are computed from parameters.
        "standardised conv", "weight norm", "spectral norm", "learned temperature",
        "part of a position table",
        # Numbers of the network's own that are no parameters are not in a graph.
        "cat constant", "constant tensor", "fixed blur", "fixed table", "multi-head causal mask",
        "multi-head add bias kv", "bilinear", "parameter matmul", "prelu", "prelu channels", "remainder",
        "threshold", "write a part",
        # A GHN's vocabulary has no spectra.
        "spectrum", "half spectrum",
    }
)  # fmt: skip


@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.name)
def test_a_traced_layer_is_run_as_torch_runs_it_or_refused(case: Case) -> None:
    module, images = case.module(), case.images(3)
    graph = trace(module, input_shape=case.shape)
    if case.name in REFUSED:
        with pytest.raises(UnsupportedOperator) as caught:
            Network(graph)
        assert caught.value.extra["node"] and "cannot be run" in caught.value.detail
        return
    with torch.no_grad():
        expected = module(images)
        result = Network(graph)(images, dict(module.named_parameters()))
    assert result.shape == expected.shape
    torch.testing.assert_close(result, expected.float(), rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in LAYERS]
    assert len(set(names)) == len(names) and set(names) >= REFUSED
