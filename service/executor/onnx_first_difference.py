"""The first node of an ONNX file that our network computes otherwise: what a refusal names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from torch import Tensor

from service.executor.checked import Size
from service.executor.onnx_answers import answers_in_parts

# Values of so many nodes are held at a time.
_NODES_A_RUN = 64


def first_difference(file: bytes, images: Tensor, ours: Sequence[Size]) -> onnx.NodeProto | None:
    """The first node whose values have a size that nothing in our network has; None if each has one.

    Sizes are compared and not names, since the calls of a program have none.

    file: with its weights. images: what both run on. ours: the sizes of our values.
    Raises whatever onnxruntime raises for the file.
    """
    for node, theirs in _sizes(onnx.load_model_from_string(file), images):
        if not any(own.agrees(theirs) for own in ours):
            return node
    return None


def _sizes(model: onnx.ModelProto, images: Tensor) -> Iterator[tuple[onnx.NodeProto, Size]]:
    """Of each node that computes floating point numbers from the input, in the order of the file."""
    nodes = _behind_the_input(model.graph)
    for start in range(0, len(nodes), _NODES_A_RUN):
        some = nodes[start : start + _NODES_A_RUN]
        del model.graph.output[:]
        model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(node.output[0]) for node in some)
        parts = answers_in_parts(model.SerializeToString(), images)
        for node, *values in zip(some, *parts, strict=True):
            flat = np.concatenate([value.reshape(-1) for value in values])
            if flat.dtype.kind == "f" and flat.size:
                yield node, Size(flat.size, float(np.sqrt(np.mean(np.square(flat, dtype=np.float64)))))


def _behind_the_input(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    weights = {entry.name for entry in graph.initializer}
    names = {entry.name for entry in graph.input} - weights
    nodes = []
    for node in graph.node:
        if names.intersection(node.input):
            names.update(node.output)
            nodes.append(node)
    return nodes
