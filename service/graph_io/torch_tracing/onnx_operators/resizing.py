"""Interpolation of images."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from service.graph_io.torch_tracing.onnx_operators.table import (
    Attrs,
    Inputs,
    NotRun,
    first_input,
    input_at,
    integers,
    operator,
)


@operator("Resize", "Upsample")
def _resize(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = first_input(inputs)
    place = 2 if attrs["operator"] == "Resize" and attrs["opset"] >= 11 else 1
    scales, sizes = input_at(inputs, place), input_at(inputs, 3)
    mode, transform = attrs.get("mode", "nearest"), attrs.get("coordinate_transformation_mode", "half_pixel")
    if (
        attrs.get("axes")
        or attrs.get("antialias")
        or attrs.get("keep_aspect_ratio_policy", "stretch") != "stretch"
    ):
        raise NotRun("resizes chosen axes, or smooths first")
    if attrs["operator"] == "Upsample" or attrs["opset"] < 11:
        transform = "asymmetric"
    if mode == "nearest":
        torch_mode, corners = _nearest(attrs, transform), None
    elif transform in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        torch_mode = _INTERPOLATIONS[mode][x.ndim - 3] if mode in _INTERPOLATIONS else ""
        corners = transform == "align_corners"
        if mode == "cubic" and attrs.get("cubic_coeff_a", -0.75) != -0.75:
            raise NotRun("interpolates with a coefficient of its own")
    else:
        torch_mode, corners = "", None
    if not torch_mode:
        raise NotRun(f"resizes by {mode} with {transform}")
    if sizes is not None and sizes.numel():
        return F.interpolate(x, size=integers(sizes)[2:], mode=torch_mode, align_corners=corners)
    factors = [float(f) for f in (scales.tolist() if scales is not None else attrs["scales"])]
    if factors[:2] != [1.0, 1.0]:
        raise NotRun("resizes the batch or the channels")
    return F.interpolate(x, scale_factor=factors[2:], mode=torch_mode, align_corners=corners)


_INTERPOLATIONS = {"linear": ("linear", "bilinear", "trilinear"), "cubic": ("", "bicubic", "")}


def _nearest(attrs: Attrs, transform: str) -> str:
    rounding = attrs.get("nearest_mode", "round_prefer_floor")
    if transform == "asymmetric" and (
        rounding == "floor" or attrs["operator"] == "Upsample" or attrs["opset"] < 11
    ):
        return "nearest"
    return ""
