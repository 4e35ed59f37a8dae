"""The exporter that torch is about to replace: its files are what many people have, so they are tested."""

from __future__ import annotations

import io
import warnings
from typing import Any

import torch
from torch import nn


def export(network: nn.Module, arguments: tuple[torch.Tensor, ...], **options: Any) -> bytes:
    """The ONNX file. options: of `torch.onnx.export`. What torch warns of in its own code stays quiet."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, arguments, file, dynamo=False, **options)
    return file.getvalue()
