"""Parts, paddings, and pixels that become channels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.graph_io.onnx.draft import Shape
from service.graph_io.onnx.exact.rules import Exact, Site, rounded
from service.graph_io.onnx.exact.views import reshape

_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def part(site: Site) -> Exact | None:
    starts, ends = site.ints("starts", 1), site.ints("ends", 2)
    if starts is None or ends is None or site.data is None:
        return None
    axes = site.ints("axes", 3) or tuple(range(len(starts)))
    steps = site.ints("steps", 4) or (1,) * len(starts)
    axes = tuple(site.axis(axis) for axis in axes)
    sizes = tuple(site.data[axis] for axis in axes)
    if None in sizes:
        return None
    spans = [
        slice(*part).indices(int(size or 0)) for *part, size in zip(starts, ends, steps, sizes, strict=True)
    ]
    if all(step > 0 for step in steps):
        return "slice", {
            "axes": axes,
            "starts": tuple(start for start, _, _ in spans),
            "ends": tuple(max(start, end) for start, end, _ in spans),
            "steps": steps,
        }
    whole = all(span == (int(size or 0) - 1, -1, -1) for span, size in zip(spans, sizes, strict=True))
    return ("unary", {"kind": "flip", "dims": axes}) if whole else None


def gather(site: Site) -> Exact | None:
    """A part of a computed tensor, by numbers that are fixed."""
    index, axis = site.value(1), site.axis(int(site.op.attrs.get("axis", 0)))
    if site.rank == 1 and index.const is not None and _counts(index.const, site.data):
        # Every number once, in its order: torch's as_strided, where it is only another shape.
        return reshape(site)
    places = index.ints()
    size = None if site.data is None else site.data[axis]
    if places is None or index.shape is None or size is None:
        return None
    places = tuple(place + size if place < 0 else place for place in places)
    if index.shape == ():
        (place,) = places
        return "slice", {"axes": (axis,), "starts": (place,), "ends": (place + 1,), "dropped": (axis,)}
    if len(index.shape) != 1:
        return None
    return "unary", {"kind": "index_list", "dim": axis, "index": places}


def _counts(index: NDArray[Any], data: Shape) -> bool:
    """Whether an index is 0, 1, ... up to the last place."""
    return data == (index.size,) and bool((index.ravel() == np.arange(index.size)).all())


def pad(site: Site) -> Exact | None:
    mode = _MODES.get(str(site.op.attrs.get("mode", "constant")))
    pads = site.op.attrs.get("paddings") or site.ints("pads", 1)
    if mode is None or pads is None:
        return None
    axes = site.ints("axes", 3) or tuple(range(site.rank))
    begin, end = [0] * site.rank, [0] * site.rank
    for place, axis in enumerate(axes):
        begin[site.axis(axis)], end[site.axis(axis)] = pads[place], pads[len(axes) + place]
    widths = [width for pair in zip(reversed(begin), reversed(end), strict=True) for width in pair]
    if mode != "constant":
        inner = 2 * (site.rank - 2)
        if any(widths[inner:]) or min(widths) < 0:
            return None
        return "pad", {"pads": tuple(widths[:inner]), "mode": mode}
    while len(widths) > 2 and not any(widths[-2:]):
        widths = widths[:-2]
    number = site.op.attrs.get("value", 0.0)
    if site.has(2):
        number = site.value(2).scalar()
    if number is None:
        return None
    return "pad", {"pads": tuple(widths), "mode": mode, "value": rounded(float(number))}


def depth_to_space(site: Site) -> Exact | None:
    if site.op.attrs.get("mode", "DCR") != "CRD":
        return None
    return "unary", {"kind": "pixel_shuffle", "upscale_factor": int(site.op.attrs["blocksize"])}


def triangle(site: Site) -> Exact | None:
    diagonal = site.value(1).scalar() if site.has(1) else 0
    if diagonal is None:
        return None
    return "unary", {
        "kind": "triu" if site.op.attrs.get("upper", 1) else "tril",
        "diagonal": int(diagonal),
    }
