"""The two well-known networks of table 1 of the GHN-2 paper: ResNet-50 and a small ViT.

ResNet-50 has the usual stem for small images, a 3x3 convolution of stride 1 and no pooling behind it;
everything else is He et al. 2016. The ViT has 12 cells of width 128, ten of them transformer blocks without a
wider hidden layer; it lies in the DARTS space, and its two reduction cells pool.
"""

from __future__ import annotations

from typing import Any

from service.graph_io.archgraph import ArchGraph

NAMES = ("resnet-50", "vit")


def vit_document(num_classes: int) -> dict[str, Any]:
    """A document of format "darts"."""
    return {
        "format": "darts",
        "genotype": {
            "normal": [["none", 0], ["msa", 1]],
            "normal_concat": [2],
            "reduce": [["none", 0], ["avg_pool_3x3", 1]],
            "reduce_concat": [2],
        },
        "channels": 128,
        "cells": 12,
        "num_classes": num_classes,
        "input": "cifar",
        "preprocess": False,
        "channel_multiplier": 1,
    }


def resnet50_graph(num_classes: int) -> ArchGraph:
    """23.5 M parameters, for images of 32x32. Needs torchvision."""
    import torch
    from torch import nn
    from torchvision.models import resnet50

    from service.graph_io.torch_tracer import trace

    with torch.device("meta"):
        model = resnet50(num_classes=num_classes)
        model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        model.maxpool = nn.Identity()
    return trace(model, input_shape=(3, 32, 32), name="resnet-50")
