"""A network that was read from an ONNX file answers what onnxruntime answers with that file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.errors import UnsupportedOperator
from service.executor.checked import TOLERANCE, drawn, relative_difference
from service.executor.networks import Network
from service.executor.running_statistics import running_statistics
from service.executor.statistics import BatchStatistics
from service.graph_io.onnx_writer import fill_trained_onnx


@torch.no_grad()
def check_onnx(network: Network, file: bytes, folder: Path | None = None) -> bool:
    """Fill the file with parameters that are drawn, and with the statistics that our network gathers with
    them, and compare the two answers for one input.

    file: the ONNX file, with or without its weights. folder: where its external data lie. Returns whether
        they were compared: not where onnxruntime is not installed, nor if its batch norms have no names.

    Raises UnsupportedOperator if the answers differ, or if onnxruntime refuses the file.
    """
    try:
        import onnxruntime
    except ImportError:
        return False
    statistics = BatchStatistics()
    images, params = drawn(network.graph)
    network(images, params, statistics)
    statistics.gathering = False
    buffers = running_statistics(network, statistics)
    if buffers.unnamed:
        return False
    tensors = {name: value.numpy() for name, value in {**params, **buffers.buffers}.items()}
    ours = network(images, params, statistics)
    try:
        filled = fill_trained_onnx(file, tensors, folder)
        session = onnxruntime.InferenceSession(filled, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        answers = _answers(session, name, images)
    except Exception as failure:  # onnxruntime's own exceptions have no common name
        reason = " ".join(str(failure).split())[:200]
        raise UnsupportedOperator(f"onnxruntime does not run the file: {reason}", operator="graph") from None
    theirs = torch.cat([torch.from_numpy(answer).float() for answer in answers])
    if theirs.shape != ours.shape:
        raise UnsupportedOperator(
            f"onnxruntime's answer has the shape {tuple(theirs.shape)}, ours {tuple(ours.shape)}.",
            operator="graph",
        )
    relative = relative_difference(ours, theirs)
    if not relative <= TOLERANCE:
        raise UnsupportedOperator(
            "The network computes something else than onnxruntime does with its file: answers differ by "
            f"{relative:.1%}.",
            operator="graph",
        )
    return True


def _answers(session: Any, name: str, images: Tensor) -> list[NDArray[np.float32]]:
    """In batches of the size that the file was made for."""
    size = session.get_inputs()[0].shape[0]
    size = size if isinstance(size, int) and len(images) % size == 0 else len(images)
    return [session.run(None, {name: part.numpy()})[0] for part in torch.split(images, size)]
