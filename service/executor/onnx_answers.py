"""What onnxruntime answers with a file."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def answers_in_parts(file: bytes, images: Tensor) -> list[list[NDArray[Any]]]:
    """Every output of the file, for each batch of the size that the file was made for; one batch of all
    images if it takes any size.

    Raises whatever onnxruntime raises for a file that it does not run.
    """
    import onnxruntime  # takes a third of a second, and most networks are no files

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    size = entry.shape[0]
    size = size if isinstance(size, int) and len(images) % size == 0 else len(images)
    return [session.run(None, {entry.name: part.numpy()}) for part in torch.split(images, size)]
