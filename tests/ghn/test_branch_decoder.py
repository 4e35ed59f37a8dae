"""GHN-1's decoder with a branch for each operation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from service.ghn.batch import GraphBatch
from service.ghn.branch_decoder import BranchDecoder
from service.ghn.checkpoint import load_checkpoint, save_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from service.ghn.predict import predict_blocks
from service.graph_io.cells.ghn1 import read_ghn1
from service.graph_io.primitives import to_primitives

CONFIG = GHNConfig(decoder="branches", max_channels=8, max_kernel=7)


@pytest.mark.parametrize(
    ("shape", "name", "grid"),
    [
        ((4, 6, 3, 3), "dense_3x3", (8, 8, 3, 3)),
        ((4, 1, 5, 5), "depthwise_5x5", (8, 1, 5, 5)),
        ((8, 8, 1, 7), "dense_1x7", (8, 8, 1, 7)),
        ((2, 3, 2, 2), "dense_3x3", (8, 8, 3, 3)),
        ((8, 8, 6, 4), "dense_7x7", (8, 8, 7, 7)),
    ],
)
def test_a_block_is_cut_from_its_own_branch(shape: tuple[int, ...], name: str, grid: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    decoder = BranchDecoder(CONFIG)
    states = torch.randn(3, CONFIG.hidden)
    branch = decoder.branches[name]
    whole = branch.kernel(torch.relu(branch.hidden(states))).view(3, *grid)
    out, into, height, width = shape
    values = decoder(states, shape, decoder.cut([shape]))
    torch.testing.assert_close(values, whole[:, :out, :into, :height, :width])
    values.sum().backward()
    taught = [key for key, one in decoder.branches.items() if one.hidden.weight.grad is not None]
    assert taught == [name]


def test_all_weights_of_a_block_of_ghn1_are_predicted_and_kept(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ghn = GHN(GHNConfig(decoder="branches", gnn="stacked", max_channels=8, max_kernel=7)).eval()
    graph = read_ghn1(
        {
            "operations": [["sep_conv_3x3", [0, 1]], ["conv_1x7_7x1", [2]], ["dil_conv_5x5", [1]]],
            "channels": 8,
            "blocks": 3,
        }
    )
    assert predict_blocks(ghn, graph).coverage == 1.0
    save_checkpoint(tmp_path / "model", ghn, {"name": "model", "kind": "ghn"})
    again = load_checkpoint(tmp_path / "model")
    batch = GraphBatch.from_graphs([to_primitives(graph)], ghn.config)
    with torch.no_grad():
        expected, found = ghn.predict_tensors(batch)[0], again.predict_tensors(batch)[0]
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
