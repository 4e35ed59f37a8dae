"""The same numbers in another shape or order."""

from __future__ import annotations

from service.graph_io.onnx.draft import Shape
from service.graph_io.onnx.exact.rules import Attributes, Exact, Site
from service.graph_io.onnx.shapes import squeeze_axes


def placed_shape(before: Shape, after: Shape) -> tuple[int, ...] | None:
    """The attribute `shape` of a reshape: the first axis is the batch's, or -1 stands where it is."""
    if after is None:
        return None
    if not after:
        return None
    unknown = [axis for axis, dim in enumerate(after) if dim is None]
    sizes = tuple(-1 if dim is None else int(dim) for dim in after)
    if len(unknown) == 1:
        return sizes
    if unknown or 0 in sizes:
        return None
    if before is not None and before and before[0] == after[0]:
        return sizes
    return (-1, *sizes[1:])


def reshape(site: Site) -> Exact | None:
    shape = placed_shape(site.data, site.shape)
    return None if shape is None else ("reshape", {"shape": shape})


def moved_axes(site: Site) -> Exact | None:
    shape = placed_shape(site.data, site.shape)
    if shape is None:
        return None
    axes = squeeze_axes(site.op, site.values)
    attrs: Attributes = {"shape": shape}
    return "reshape", attrs | ({} if axes is None else {"axes": tuple(axes)})


def flatten(site: Site) -> Exact | None:
    return ("flatten", {"start_axis": 1}) if site.op.attrs.get("axis", 1) == 1 else None


def transpose(site: Site) -> Exact:
    perm = site.op.attrs.get("perm")
    axes = tuple(range(site.rank))[::-1] if perm is None else tuple(int(axis) for axis in perm)
    if sorted(axes) != list(range(len(axes))):
        raise ValueError("perm")
    return "permute", {"axes": axes}


def expand(site: Site) -> Exact | None:
    before, after = site.data, site.shape
    if before is None or after is None or len(after) < len(before):
        return None
    old = (None,) * (len(after) - len(before)) + before
    kept: list[int] = []
    for place, (had, has) in enumerate(zip(old, after, strict=True)):
        if place >= len(after) - len(before) and had == has and had is not None:
            kept.append(-1)
        elif has is None:
            return None
        else:
            kept.append(has)
    return "unary", {"kind": "expand", "shape": tuple(kept)}


def tile(site: Site) -> Exact | None:
    repeats = site.value(1).ints()
    return None if repeats is None else ("unary", {"kind": "repeat", "repeats": repeats})
