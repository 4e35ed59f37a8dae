"""Weights of a small network, generated from the features of its nodes (HyperNAS paper, key design 2).

Shape legend: W weights of one kernel size, C node feature width, M most channels
"""

from __future__ import annotations

from collections import defaultdict
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from service.predictors.hypernas.config import HyperNASConfig
from service.predictors.hypernas.small_network import GeneratedWeight, SmallNetwork

KERNELS = (1, 3)


class Hypernetwork(nn.Module):
    """A hidden layer that all nodes share and a head for each kernel size, with fixed output dimensions: the
    first channels of what a head emits are used where a convolution has fewer.

    The first convolution and the classifier are no cell's: they are parameters here, shared by all
    architectures.
    """

    def __init__(self, config: HyperNASConfig) -> None:
        super().__init__()
        self._most = config.channels * 2 ** (config.stages - 1)
        self.hidden = nn.Linear(config.hidden, config.hypernetwork_hidden)
        self.heads = nn.ModuleDict(
            {
                str(kernel): nn.Linear(config.hypernetwork_hidden, self._most**2 * kernel**2)
                for kernel in KERNELS
            }
        )
        self.stem = nn.Parameter(torch.empty(config.channels, 3, 3, 3))
        nn.init.kaiming_normal_(self.stem)
        self.classifier = nn.Linear(self._most, config.num_classes)

    def forward(self, node_features: tuple[Tensor, ...], network: SmallNetwork) -> dict[str, Tensor]:
        """Every weight by its name.

        node_features: of each cell of this one architecture, (V, C), in the order of the network.
        """
        by_kernel: defaultdict[int, list[GeneratedWeight]] = defaultdict(list)
        for weight in network.generated:
            by_kernel[weight.shape[-1]].append(weight)
        tensors: dict[str, Tensor] = {
            network.stem: self.stem,
            network.classifier[0]: self.classifier.weight,
            network.classifier[1]: self.classifier.bias,
        }
        for kernel, weights in by_kernel.items():
            node_WC = torch.stack([node_features[weight.place][weight.node] for weight in weights])
            flat = self.heads[str(kernel)](F.relu(self.hidden(node_WC)))
            full_WMMKK = flat.view(-1, self._most, self._most, kernel, kernel)
            for weight, full in zip(weights, full_WMMKK, strict=True):
                out, into = weight.shape[:2]
                # Fan-in scaling: activations keep their size whatever the width.
                tensors[weight.name] = full[:out, :into] * sqrt(2 / (into * kernel**2))
        return tensors
