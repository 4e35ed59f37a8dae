"""Padding, as attributes of an operator say it and as torch takes it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from service.graph_io.onnx.shapes import same_pads
from service.graph_io.torch_tracing.onnx_operators.table import Attrs, integers


def padding_of(attrs: Attrs, x: Tensor, kernel: Sequence[int]) -> tuple[list[int], list[int]]:
    """Numbers before and after each axis of positions."""
    count = len(kernel)
    strides = attrs.get("strides", [1] * count)
    dilations = attrs.get("dilations", [1] * count)
    match attrs.get("auto_pad", "NOTSET"):
        case "NOTSET" | "":
            pads = integers(attrs.get("pads", [0] * (2 * count)))
            return pads[:count], pads[count:]
        case "VALID":
            return [0] * count, [0] * count
        case side:
            begin, end = same_pads(side == "SAME_UPPER", x.shape[2:], kernel, strides, dilations)
            return list(begin), list(end)


def as_pad_sides(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """As F.pad takes them: from the last axis to the first."""
    return [number for pair in zip(reversed(before), reversed(after), strict=True) for number in pair]
