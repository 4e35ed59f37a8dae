"""Best-effort shapes of intermediate values. A wrong file may mislead them; nothing is allocated from them.

They tell a global pooling from a local one, a bias from a position table, and the number of attention heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from service.errors import InvalidArchitecture
from service.graph_io.onnx.draft import Shape
from service.graph_io.onnx.op import Op
from service.graph_io.onnx.values import Value

MAX_RANK = 32


def broadcast(shapes: list[Shape]) -> Shape:
    """numpy's rule; an unknown dimension wins over 1, a known one over unknown."""
    if any(shape is None for shape in shapes):
        return None
    known = [shape for shape in shapes if shape is not None]
    rank = max((len(shape) for shape in known), default=0)
    result: list[int | None] = []
    for axis in range(-rank, 0):
        dims = {shape[axis] for shape in known if len(shape) >= -axis} - {1}
        fixed = [dim for dim in dims if dim is not None]
        result.append(fixed[0] if fixed else None if dims else 1)
    return tuple(result)


def same(op: Op, inputs: list[Value]) -> Shape:
    return inputs[0].shape


def elementwise(op: Op, inputs: list[Value]) -> Shape:
    return broadcast([value.shape for value in inputs])


def per_axis(op: Op, name: str, rank: int, default: int) -> tuple[int, ...]:
    """An attribute with one number for each spatial axis. Raises InvalidArchitecture for another count."""
    numbers = op.attrs.get(name) or (default,) * rank
    if len(numbers) != rank:
        raise InvalidArchitecture(
            f"Node {op.where!r} ({op.type}) has {len(numbers)} {name} for {rank} spatial axes.", node=op.where
        )
    return tuple(numbers)


def spatial_pads(
    op: Op, rank: int, kernel: tuple[int, ...], size: Shape
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(begin, end) padding a spatial axis of a convolution or pooling."""
    strides = per_axis(op, "strides", rank, 1)
    dilations = per_axis(op, "dilations", rank, 1)
    mode = op.attrs.get("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        lengths = size if size is not None else (None,) * rank
        return same_pads(mode == "SAME_UPPER", lengths[:rank], kernel, strides, dilations)
    pads = per_axis(op, "pads", 2 * rank, 0) if mode != "VALID" else (0,) * (2 * rank)
    return tuple(pads[:rank]), tuple(pads[rank:])


def same_pads(
    upper: bool,
    lengths: Sequence[int | None],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(begin, end) padding of `auto_pad` by which a layer has a result for every `stride`th position.

    upper: an odd number more goes to the end. Unknown lengths are taken as multiples of the stride, as images
        are.
    """
    small, large = [], []
    for length, side, stride, dilation in zip(lengths, kernel, strides, dilations, strict=True):
        span = dilation * (side - 1) + 1
        rest = (length - 1) % stride + 1 if length else stride
        total = max(0, span - rest)
        small.append(total // 2)
        large.append(total - total // 2)
    return (tuple(small), tuple(large)) if upper else (tuple(large), tuple(small))


def _windows(op: Op, size: Shape, kernel: tuple[int, ...]) -> tuple[int | None, ...]:
    rank = len(kernel)
    strides = per_axis(op, "strides", rank, 1)
    dilations = per_axis(op, "dilations", rank, 1)
    begin, end = spatial_pads(op, rank, kernel, size)
    result: list[int | None] = []
    for axis in range(rank):
        length = size[axis] if size is not None else None
        if length is None:
            result.append(None)
            continue
        free = length + begin[axis] + end[axis] - dilations[axis] * (kernel[axis] - 1) - 1
        steps = -(-free // strides[axis]) if op.attrs.get("ceil_mode", 0) else free // strides[axis]
        result.append(max(1, steps + 1))
    return tuple(result)


def conv(op: Op, inputs: list[Value]) -> Shape:
    return _conv(op, inputs, 1)


def quantised_conv(op: Op, inputs: list[Value]) -> Shape:
    return _conv(op, inputs, 3)


def _conv(op: Op, inputs: list[Value], slot: int) -> Shape:
    weight, data = inputs[slot].shape, inputs[0].shape
    if weight is None or any(dim is None for dim in weight):
        return None
    kernel = tuple(int(dim) for dim in weight[2:] if dim is not None)
    size = data[2:] if data is not None and len(data) == len(weight) else None
    return (data[0] if data else None, weight[0], *_windows(op, size, kernel))


def conv_transpose(op: Op, inputs: list[Value]) -> Shape:
    weight, data = inputs[1].shape, inputs[0].shape
    if weight is None or weight[1] is None:
        return None
    groups = op.attrs.get("group", 1)
    rank = len(weight) - 2
    result: list[int | None] = [data[0] if data else None, weight[1] * groups]
    strides, dilations = per_axis(op, "strides", rank, 1), per_axis(op, "dilations", rank, 1)
    extra, pads = per_axis(op, "output_padding", rank, 0), per_axis(op, "pads", 2 * rank, 0)
    for axis in range(rank):
        length, kernel = (data[2 + axis] if data else None), weight[2 + axis]
        if (
            length is None
            or kernel is None
            or "output_shape" in op.attrs
            or op.attrs.get("auto_pad", "NOTSET") != "NOTSET"
        ):
            result.append(None)
        else:
            span = dilations[axis] * (kernel - 1) + 1
            result.append((length - 1) * strides[axis] + span + extra[axis] - pads[axis] - pads[rank + axis])
    return tuple(result)


def pool(op: Op, inputs: list[Value]) -> Shape:
    data, kernel = inputs[0].shape, op.attrs["kernel_shape"]
    if data is None or len(data) != len(kernel) + 2:
        return None
    return (*data[:2], *_windows(op, data[2:], kernel))


def global_pool(op: Op, inputs: list[Value]) -> Shape:
    data = inputs[0].shape
    return None if data is None else (*data[:2], *(1 for _ in data[2:]))


def reduced_axes(op: Op, inputs: list[Value]) -> tuple[int, ...] | None:
    """Axes of a reduction, not negative where the rank is known; None if unknown, () for all."""
    axes = op.attrs.get("axes")
    if axes is None and len(inputs) > 1 and inputs[1].shape != ():
        axes = inputs[1].ints()
        if axes is None:
            return None
    if not axes:
        return ()
    data = inputs[0].shape
    axes = (axes,) if isinstance(axes, int) else axes
    return tuple(sorted(axis + len(data) if axis < 0 and data is not None else axis for axis in axes))


def reduce(op: Op, inputs: list[Value]) -> Shape:
    data, axes = inputs[0].shape, reduced_axes(op, inputs)
    if data is None or axes is None:
        return None
    chosen = set(axes) or set(range(len(data)))
    if op.attrs.get("keepdims", 1):
        return tuple(1 if axis in chosen else dim for axis, dim in enumerate(data))
    return tuple(dim for axis, dim in enumerate(data) if axis not in chosen)


def reshape(op: Op, inputs: list[Value]) -> Shape:
    data = inputs[0].shape
    target: Shape = op.attrs["shape"] if "shape" in op.attrs else inputs[1].dims()
    if target is None:
        return _unknown_of_rank(inputs[1])
    result: list[int | None] = []
    for axis, dim in enumerate(target):
        if dim == 0 and not op.attrs.get("allowzero", 0):
            result.append(data[axis] if data is not None and axis < len(data) else None)
        else:
            result.append(dim)
    if -1 in result:
        place = result.index(-1)
        rest = [dim for index, dim in enumerate(result) if index != place]
        result[place] = None
        if data is not None and all(dim is not None for dim in (*data, *rest)):
            whole, part = (
                prod(dim for dim in data if dim is not None),
                prod(dim for dim in rest if dim is not None),
            )
            result[place] = whole // part if part > 0 and whole % part == 0 else None
    return tuple(result)


def _unknown_of_rank(target: Value) -> Shape:
    """A target shape of which only the length is known."""
    if target.shape is None or len(target.shape) != 1 or target.shape[0] is None:
        return None
    return (None,) * target.shape[0] if target.shape[0] <= MAX_RANK else None


def transpose(op: Op, inputs: list[Value]) -> Shape:
    data = inputs[0].shape
    if data is None:
        return None
    perm = op.attrs.get("perm") or tuple(range(len(data)))[::-1]
    return tuple(data[axis] for axis in perm) if sorted(perm) == list(range(len(data))) else None


def flatten(op: Op, inputs: list[Value]) -> Shape:
    data = inputs[0].shape
    if data is None:
        return (None, None)
    axis = op.attrs.get("axis", 1)
    axis = axis + len(data) if axis < 0 else axis
    halves = (data[:axis], data[axis:])
    return tuple(None if None in half else prod(d for d in half if d is not None) for half in halves)


def squeeze_axes(op: Op, inputs: list[Value]) -> tuple[int, ...] | None:
    axes = op.attrs.get("axes")
    if axes is None and len(inputs) > 1:
        return inputs[1].ints()
    return tuple(axes) if axes is not None else None


def squeeze(op: Op, inputs: list[Value]) -> Shape:
    data = inputs[0].shape
    if data is None:
        return None
    axes = squeeze_axes(op, inputs)
    if axes is None:
        return None if len(inputs) > 1 or None in data else tuple(dim for dim in data if dim != 1)
    dropped = {axis % len(data) for axis in axes}
    return tuple(dim for axis, dim in enumerate(data) if axis not in dropped)


def unsqueeze(op: Op, inputs: list[Value]) -> Shape:
    data, axes = inputs[0].shape, squeeze_axes(op, inputs)
    if data is None or axes is None or len(axes) > MAX_RANK:
        return None
    rank = len(data) + len(axes)
    added, rest = {axis % rank for axis in axes}, iter(data)
    return tuple(1 if axis in added else next(rest, None) for axis in range(rank))


def gemm(op: Op, inputs: list[Value]) -> Shape:
    left, right = inputs[0].shape, inputs[1].shape
    rows = None if left is None else left[1 if op.attrs.get("transA", 0) else 0]
    columns = None if right is None else right[0 if op.attrs.get("transB", 0) else 1]
    return (rows, columns)


def matmul(op: Op, inputs: list[Value]) -> Shape:
    left, right = inputs[0].shape, inputs[1].shape
    if left is None or right is None or len(left) < 2 or len(right) < 2:
        return None
    batch = broadcast([left[:-2], right[:-2]])
    return None if batch is None else (*batch, left[-2], right[-1])


def einsum(op: Op, inputs: list[Value]) -> Shape:
    terms, _, result = str(op.attrs.get("equation", "")).replace(" ", "").partition("->")
    sizes: dict[str, int | None] = {}
    for letters, value in zip(terms.split(","), inputs, strict=False):
        if "." in letters or value.shape is None or len(letters) != len(value.shape):
            return None
        sizes |= zip(letters, value.shape, strict=True)
    return tuple(sizes.get(letter) for letter in result) or None


def concat(op: Op, inputs: list[Value]) -> Shape:
    shapes = [value.shape for value in inputs]
    first = next((shape for shape in shapes if shape is not None), None)
    if first is None or any(shape is not None and len(shape) != len(first) for shape in shapes):
        return None
    axis = op.attrs.get("axis", 1) % len(first)
    parts = [None if shape is None else shape[axis] for shape in shapes]
    total = None if None in parts else sum(part for part in parts if part is not None)
    return (*first[:axis], total, *first[axis + 1 :])


def split(op: Op, inputs: list[Value]) -> Shape:
    data = inputs[0].shape
    if data is None:
        return None
    axis = op.attrs.get("axis", 0) % len(data)
    sizes = op.attrs.get("split") or (inputs[1].ints() if len(inputs) > 1 else None)
    whole, count = data[axis], len(op.outputs)
    part = sizes[0] if sizes else whole // count if whole is not None and whole % count == 0 else None
    return (*data[:axis], part, *data[axis + 1 :])


def gather(op: Op, inputs: list[Value]) -> Shape:
    data, index = inputs[0].shape, inputs[1].shape
    if data is None or index is None:
        return None
    axis = op.attrs.get("axis", 0) % len(data)
    return (*data[:axis], *index, *data[axis + 1 :])


def gather_rows(op: Op, inputs: list[Value]) -> Shape:
    """Of a GatherND."""
    data, index = inputs[0].shape, inputs[1].shape
    if data is None or index is None or index[-1] is None or op.attrs.get("batch_dims", 0):
        return None
    return (*index[:-1], *data[index[-1] :])


def part(op: Op, inputs: list[Value]) -> Shape:
    data = inputs[0].shape
    if data is None:
        return None
    if "starts" in op.attrs:
        starts, ends, steps = op.attrs["starts"], op.attrs["ends"], None
        axes = op.attrs.get("axes")
    else:
        starts, ends = inputs[1].ints(), inputs[2].ints()
        axes = inputs[3].ints() if len(inputs) > 3 and inputs[3].shape != () else None
        steps = inputs[4].ints() if len(inputs) > 4 and inputs[4].shape != () else None
    if axes is None and len(inputs) > 3 and inputs[3].shape != ():
        return (None,) * len(data)
    result = list(data)
    for place, axis in enumerate(axes if axes is not None else range(len(starts or ()))):
        dim = data[axis]
        if dim is None or starts is None or ends is None:
            result[axis] = None
        else:
            result[axis] = len(
                range(*slice(starts[place], ends[place], steps[place] if steps else 1).indices(dim))
            )
    return tuple(result)


def expand(op: Op, inputs: list[Value]) -> Shape:
    target = inputs[1].dims()
    return broadcast([inputs[0].shape, target if target is not None else _unknown_of_rank(inputs[1])])


def pad(op: Op, inputs: list[Value]) -> Shape:
    data = inputs[0].shape
    pads = op.attrs.get("pads") or op.attrs.get("paddings") or (inputs[1].ints() if len(inputs) > 1 else None)
    if data is None or pads is None or len(pads) != 2 * len(data):
        return None if data is None else (None,) * len(data)
    return tuple(
        None if dim is None else dim + pads[axis] + pads[len(data) + axis] for axis, dim in enumerate(data)
    )


def resize(op: Op, inputs: list[Value]) -> Shape:
    data = inputs[0].shape
    if data is None:
        return None
    sizes = inputs[3].dims() if len(inputs) > 3 else None
    if sizes is not None and len(sizes) == len(data):
        return sizes
    scales = inputs[2].const if len(inputs) > 2 else None
    if scales is None or scales.shape != (len(data),) or None in data:
        return (*data[:2], *(None for _ in data[2:]))
    return tuple(int((dim or 0) * float(scale)) for dim, scale in zip(data, scales, strict=True))


def blocks(op: Op, inputs: list[Value]) -> Shape:
    data, block = inputs[0].shape, op.attrs["blocksize"]
    if data is None or len(data) != 4 or None in data:
        return None
    n, c, h, w = (int(dim or 0) for dim in data)
    if op.type == "DepthToSpace":
        return (n, c // block**2, h * block, w * block)
    return (n, c * block**2, h // block, w // block)


def of_value(op: Op, inputs: list[Value]) -> Shape:
    return inputs[0].dims()
