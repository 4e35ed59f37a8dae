"""What is learned as ordinary parameters, shared by all architectures (Brock et al. 2017, section 3.1): the
convolutions inside the layers, one set a block; first convolution, batch norms and classifier.

Each is as large as any architecture may need; an architecture takes its part.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from service.graph_io.cells.smash import MAX_CONVS, MemoryBankNetwork
from service.predictors.smash.config import SmashConfig

# Of the parameters; Adam changes them in a few steps, where those with a deviation of one would take many.
_DEVIATION = 0.1
# Layers add little to their banks at first. Random layers, each shared by architectures in which it has other
# neighbours, would drown what the banks hold: nothing is learned for hundreds of steps.
_LAYER_SCALE = 0.1


class SharedParameters(nn.Module):
    """Weights are scaled where they are used: how many inputs they have depends on the architecture."""

    def __init__(self, config: SmashConfig) -> None:
        super().__init__()
        blocks, banks, channels = config.blocks, config.banks, config.most_bank_channels
        width, self._kernel = config.most_layer_channels, max(config.kernels)
        self.stem = nn.Parameter(_random(config.most_channels, 3, 3, 3))
        self.convs = nn.Parameter(_random(blocks, MAX_CONVS, width, width, self._kernel, self._kernel))
        self.norm_weight = nn.Parameter(torch.ones(blocks, banks, channels))
        self.norm_bias = nn.Parameter(torch.zeros(blocks, banks, channels))
        self.classifier = nn.Parameter(_random(config.num_classes, banks, channels))
        self.classifier_bias = nn.Parameter(torch.zeros(config.num_classes))

    def forward(self, network: MemoryBankNetwork) -> dict[str, Tensor]:
        """Every weight that is not generated, by its name."""
        tensors = {"stem.weight": self.stem[: network.stem_channels] * _scale(27)}
        for index, block in enumerate(network.blocks):
            taken = list(block.leave), slice(block.bank_channels)
            norm = f"transitions.{index}.norm"
            tensors[f"{norm}.weight"] = self.norm_weight[index][taken].flatten()
            tensors[f"{norm}.bias"] = self.norm_bias[index][taken].flatten()
            for place, layer in enumerate(block.layers):
                for slot, conv in enumerate(layer.convs):
                    name = f"blocks.{index}.layers.{place}.convs.{slot}.weight"
                    into = layer.channels // conv.groups
                    tensors[name] = self._conv(index, slot, layer.channels, into, conv.kernel)
        last = network.blocks[-1]
        weight = self.classifier[:, list(last.leave), : last.bank_channels].flatten(1)
        tensors["classifier.weight"] = weight * _scale(weight.shape[1])
        tensors["classifier.bias"] = self.classifier_bias
        return tensors

    def _conv(self, block: int, slot: int, out: int, into: int, kernel: int) -> Tensor:
        """The middle of the largest kernel, the first channels."""
        border = (self._kernel - kernel) // 2
        middle = slice(border, border + kernel)
        weight = self.convs[block, slot, :out, :into, middle, middle]
        return weight * (_LAYER_SCALE * sqrt(2) * _scale(into * kernel**2))  # a ReLU before it halves


def _random(*shape: int) -> Tensor:
    return _DEVIATION * torch.randn(shape)


def _scale(inputs: int) -> float:
    """What makes the deviation of a sum over so many inputs that of one input."""
    return 1 / (_DEVIATION * sqrt(inputs))
