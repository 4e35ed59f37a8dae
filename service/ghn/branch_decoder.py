"""The hypernetwork of GHN-1 with a branch for each operation (GHN-1 paper, section 5.2): a perceptron for
each kind of convolution, where `mlp_decoder` has one for all.

Shape legend: P parameters decoded together, C node state width, W its hidden width, O, I output and input
channels
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from service.ghn.config import GHNConfig
from service.ghn.decoder import BlockDecoder, Cuts
from service.ghn.mlp_decoder import HIDDEN


class Branch(nn.Module):
    """Linear(C -> 64), ReLU, Linear(64 -> O * I * height * width)."""

    def __init__(self, width: int, grid: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.hidden = nn.Linear(width, HIDDEN)
        self.kernel = nn.Linear(HIDDEN, grid[0] * grid[1] * grid[2] * grid[3])


class BranchDecoder(BlockDecoder):
    """A branch for each kernel, square ones of odd sizes and lines, of dense and of depthwise convolutions.
    A kernel between two sizes is cut from the next larger one, fewer channels from the first ones.
    """

    def __init__(self, config: GHNConfig) -> None:
        super().__init__(config)
        odd = range(1, config.max_kernel + 1, 2)
        lines = [size for size in odd if size > 1]
        kernels = [
            *((size, size) for size in odd),
            *((1, size) for size in lines),
            *((size, 1) for size in lines),
        ]
        if config.max_kernel % 2 == 0:
            kernels.append((config.max_kernel, config.max_kernel))
        channels = config.max_channels
        self.branches = nn.ModuleDict(
            {
                _name(kind, kernel): Branch(config.hidden, (channels, inputs, *kernel))
                for kernel in kernels
                for kind, inputs in (("dense", channels), ("depthwise", 1))
            }
        )
        self._kernels = sorted(kernels, key=lambda kernel: kernel[0] * kernel[1])
        self.classifier = self.make_classifier(config)

    def branch_of(self, shape: tuple[int, ...]) -> Branch:
        """The branch of blocks of a shape (out, in, height, width): the smallest kernel that holds theirs."""
        kernel = next(kernel for kernel in self._kernels if shape[2] <= kernel[0] and shape[3] <= kernel[1])
        branch = self.branches[_name("depthwise" if shape[1] == 1 else "dense", kernel)]
        assert isinstance(branch, Branch)
        return branch

    def cut(self, shapes: Iterable[tuple[int, ...]]) -> Cuts:
        rows: dict[tuple[int, ...], Tensor] = {}
        offsets: dict[tuple[int, ...], Tensor] = {}
        for shape in shapes:
            branch, corner = self.branch_of(shape), tuple(slice(0, size) for size in shape)
            rows[shape] = branch.kernel.weight.view(*branch.grid, HIDDEN)[corner]
            offsets[shape] = branch.kernel.bias.view(branch.grid)[corner]
        return Cuts(rows=rows, offsets=offsets)

    def forward(self, h_PC: Tensor, shape: tuple[int, ...], cuts: Cuts) -> Tensor:
        x_PW = torch.relu(self.branch_of(shape).hidden(h_PC))
        values = nn.functional.linear(x_PW, cuts.rows[shape].flatten(0, 3), cuts.offsets[shape].flatten())
        return values.view(-1, *shape)


def _name(kind: str, kernel: tuple[int, int]) -> str:
    return f"{kind}_{kernel[0]}x{kernel[1]}"
