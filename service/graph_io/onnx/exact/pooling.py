"""Pooling over windows and over everything."""

from __future__ import annotations

from service.graph_io.onnx.attributes import adaptive, covers_all
from service.graph_io.onnx.exact.rules import Attributes, Exact, Rule, Site
from service.graph_io.onnx.shapes import per_axis, spatial_pads


def _windows(site: Site) -> Attributes | None:
    kernel = tuple(int(size) for size in site.op.attrs["kernel_shape"])
    axes = len(kernel)
    size = None if site.data is None else site.data[2:]
    same = str(site.op.attrs.get("auto_pad", "NOTSET")).startswith("SAME")
    if axes > 3 or (same and (size is None or None in size)):
        return None
    begin, end = spatial_pads(site.op, axes, kernel, size)
    attrs: Attributes = {"kernel_size": kernel, "stride": per_axis(site.op, "strides", axes, 1)}
    attrs |= {"padding": begin, "ceil_mode": bool(site.op.attrs.get("ceil_mode", 0))}
    return attrs | ({} if begin == end else {"padding_end": end})


def maximum(site: Site) -> Exact | None:
    attrs = _windows(site)
    if attrs is None:
        return None
    dilation = tuple(site.op.attrs.get("dilations") or ())
    return "max_pool", attrs | ({"dilation": dilation} if dilation and max(dilation) > 1 else {})


def average(site: Site) -> Exact | None:
    attrs = _windows(site)
    if attrs is None or max(site.op.attrs.get("dilations") or (1,)) > 1 or "padding_end" in attrs:
        return None
    if covers_all(site.op, site.values):
        padded = any(attrs["padding"])  # type: ignore[arg-type]
        return None if padded else ("global_avg_pool", adaptive(site.op, site.values))
    return "avg_pool", attrs | {"count_include_pad": bool(site.op.attrs.get("count_include_pad", 0))}


def everywhere(name: str) -> Rule:
    return lambda site: (name, {})
