"""A network that was read from an ONNX file answers what onnxruntime answers with that file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from torch import Tensor

from service.errors import UnsupportedOperator
from service.executor.checked import TOLERANCE, Size, drawn, relative_difference
from service.executor.networks import Network
from service.executor.onnx_answers import answers_in_parts
from service.executor.onnx_first_difference import first_difference
from service.executor.running_statistics import running_statistics
from service.executor.statistics import BatchStatistics
from service.graph_io.onnx_writer import fill_trained_onnx


@torch.no_grad()
def check_onnx(network: Network, file: bytes, folder: Path | None = None) -> bool:
    """Fill the file with parameters that are drawn, and with the statistics that our network gathers with
    them, and compare the two answers for one input.

    file: the ONNX file, with or without its weights. folder: where its external data lie. Returns whether
        they were compared: not if a batch norm has no name, since its statistics cannot be filled in.

    Raises UnsupportedOperator if the answers differ, naming the first node that does, or if onnxruntime
    refuses the file.
    """
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
        answers = [part[0] for part in answers_in_parts(filled, images)]
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
        raise _refusal(relative, _first_difference(filled, images, network.sizes(images, params, statistics)))
    return True


def _first_difference(file: bytes, images: Tensor, ours: Sequence[Size]) -> onnx.NodeProto | None:
    """None too if onnxruntime does not show what is inside the file: the refusal holds without a name."""
    try:
        return first_difference(file, images, ours)
    except Exception:  # onnxruntime's own exceptions have no common name
        return None


def _refusal(relative: float, node: onnx.NodeProto | None) -> UnsupportedOperator:
    differs = (
        "The network computes something else than onnxruntime does with its file: answers differ by "
        f"{relative:.1%}"
    )
    if node is None:
        return UnsupportedOperator(f"{differs}.", operator="output")
    name = node.name or node.output[0]
    return UnsupportedOperator(
        f"{differs}, and node {name!r} ({node.op_type}) is the first that differs.",
        node=name,
        operator=node.op_type,
    )
