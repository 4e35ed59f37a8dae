"""Up- and down-sampling, where it is one of torch's ways."""

from __future__ import annotations

from service.graph_io.onnx.exact.rules import Attributes, Exact, Site, rounded

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def resize(site: Site) -> Exact | None:
    size, scale = _size(site), _scale(site)
    attrs = _way(site)
    if attrs is None or (size is None and scale is None):
        return None
    if size is None and site.shape is not None and None not in site.shape:
        size = tuple(int(dim or 0) for dim in site.shape[2:])
    attrs |= {} if size is None else {"size": size}
    return "resize", attrs | ({} if scale is None else {"scale": scale})


def _size(site: Site) -> tuple[int, ...] | None:
    sizes = site.value(3).ints() if site.has(3) else None
    if sizes is None or site.data is None or sizes[:2] != site.data[:2]:
        return None
    return sizes[2:]


def _scale(site: Site) -> tuple[float, ...] | None:
    place = 1 if site.op.type == "Upsample" or site.opset < 11 else 2
    const = site.value(place).const if site.has(place) else None
    if const is None or const.ndim != 1 or len(const) != site.rank or tuple(const[:2]) != (1, 1):
        return None
    return tuple(rounded(float(factor)) for factor in const[2:])


def _way(site: Site) -> Attributes | None:
    """How the numbers between the pixels are made."""
    options = site.op.attrs
    mode, axes = options.get("mode", "nearest"), site.rank - 2
    coordinates = options.get("coordinate_transformation_mode", "half_pixel")
    if site.op.type == "Upsample" or site.opset < 11:
        coordinates = "asymmetric"
    antialias = bool(options.get("antialias", 0))
    if options.get("keep_aspect_ratio_policy", "stretch") != "stretch" or "axes" in options:
        return None
    if mode == "nearest":
        rounding = options.get("nearest_mode", "round_prefer_floor" if site.opset >= 11 else "floor")
        if coordinates == "asymmetric" and rounding == "floor":
            return {"kind": "nearest"}
        exact = (coordinates, rounding) == ("half_pixel", "round_prefer_ceil")
        return {"kind": "nearest-exact"} if exact else None
    if coordinates not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        return None
    attrs: Attributes = {"align_corners": True} if coordinates == "align_corners" else {}
    attrs |= {"antialias": True} if antialias else {}
    if mode == "linear" and axes in _LINEAR:
        return {"kind": _LINEAR[axes], **attrs}
    # torch's antialiasing weighs with another cubic.
    usual = rounded(float(options.get("cubic_coeff_a", -0.75))) == -0.75 and not options.get(
        "exclude_outside", 0
    )
    return {"kind": "bicubic", **attrs} if mode == "cubic" and axes == 2 and usual and not antialias else None
