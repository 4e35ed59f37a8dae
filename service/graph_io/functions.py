"""The one table of functions without weights, which `activation`, `unary` and `merge` nodes name by `kind`.

A row is torch's name of a function, its number of tensors, and its other arguments in torch's order with
their defaults. A node reads the tensors and carries the arguments. A `kind` that is not listed is a function
that a GHN may meet, since it does not see it, but that cannot be run.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.graph_io.attributes import Attribute, attributes


@dataclass(frozen=True, slots=True)
class Function:
    """tensors: how many it reads. arguments: the others, in torch's order."""

    name: str
    tensors: int
    arguments: tuple[Attribute, ...]


# One tensor, of the same shape as the result.
_ACTIVATIONS = """
relu
relu6
silu
sigmoid
tanh
hardswish
hardsigmoid
selu
mish
softsign
logsigmoid
tanhshrink
gelu          tanh: flag = False
elu           alpha: number = 1.0
celu          alpha: number = 1.0
leaky_relu    negative_slope: number = 0.01
softplus      beta: number = 1.0, threshold: number = 20.0
hardtanh      min_val: number = -1.0, max_val: number = 1.0
hardshrink    lambd: number = 0.5
softshrink    lambd: number = 0.5
threshold     threshold: number, value: number
rrelu         lower: number = 0.125, upper: number = 0.3333333333333333
"""

# Of one tensor.
_UNARY = """
exp
exp2
expm1
sqrt
rsqrt
neg
abs
log
log2
log10
log1p
square
sin
cos
tan
erf
atan
reciprocal
round
floor
ceil
trunc
frac
sign
sinc
isnan
logical_not
glu                dim: integer = -1
softmin            dim: integer
clamp              min: number = None, max: number = None
clamp_min          min: number
clamp_max          max: number
nan_to_num         nan: number = 0.0, posinf: number = None, neginf: number = None
tril               diagonal: integer = 0
triu               diagonal: integer = 0
cumsum             dim: integer
cumprod            dim: integer
flip               dims: integers
fliplr
flipud
roll               shifts: integers, dims: integers = None
rot90              k: integer = 1, dims: integers = None
normalize          p: number = 2.0, dim: integer = 1, eps: number = 1e-12
local_response_norm  size: integer, alpha: number = 0.0001, beta: number = 0.75, k: number = 1.0
mean               axes: integers = None, keepdims: flag = False
sum                axes: integers = None, keepdims: flag = False
amax               axes: integers = None, keepdims: flag = False
amin               axes: integers = None, keepdims: flag = False
logsumexp          axes: integers, keepdims: flag = False
prod               dim: integer = None, keepdim: flag = False
max                dim: integer = None, keepdim: flag = False
min                dim: integer = None, keepdim: flag = False
median             dim: integer = None, keepdim: flag = False
argmax             dim: integer = None, keepdim: flag = False
argmin             dim: integer = None, keepdim: flag = False
var                dim: integers = None, correction: number = 1, keepdim: flag = False
std                dim: integers = None, correction: number = 1, keepdim: flag = False
norm               p: number = 2.0, dim: integers = None, keepdim: flag = False
topk               k: integer, dim: integer = -1, largest: flag = True, sorted: flag = True
sort               dim: integer = -1, descending: flag = False
argsort            dim: integer = -1, descending: flag = False
repeat             repeats: integers
tile               dims: integers
repeat_interleave  repeats: integer, dim: integer = None
expand             shape: integers
stack              axis: integer = 0
pixel_shuffle      upscale_factor: integer
pixel_unshuffle    downscale_factor: integer
channel_shuffle    groups: integer
lp_pool1d          norm_type: number, kernel_size: axes, stride: axes = None, ceil_mode: flag = False
lp_pool2d          norm_type: number, kernel_size: axes, stride: axes = None, ceil_mode: flag = False
unfold             kernel_size: axes, dilation: axes = 1, padding: axes = 0, stride: axes = 1
fold  output_size: axes, kernel_size: axes, dilation: axes = 1, padding: axes = 0, stride: axes = 1
index_list         dim: integer, index: integers
diagonal           offset: integer = 0, dim1: integer = 0, dim2: integer = 1
"""

# Arithmetic: of two tensors, or of one and a number (`value`); `reversed` if the number comes first.
_ARITHMETIC = """
add          alpha: number = 1
sub          alpha: number = 1
mul
div          rounding_mode: text = None
pow
remainder
fmod
maximum
minimum
eq
ne
lt
le
gt
ge
logical_and
logical_or
logical_xor
atan2
"""

# Of several tensors.
_MERGES = """
2 einsum       equation: text
3 einsum       equation: text
3 where
3 lerp
2 lerp         weight: number
3 addcmul      value: number = 1
3 addcdiv      value: number = 1
2 masked_fill  value: number
2 cross        dim: integer = -1
2 cosine_similarity  dim: integer = 1, eps: number = 1e-8
"""
_WITH_A_NUMBER = attributes("value: number = None, reversed: flag = False")


def _rows(text: str, tensors: int) -> dict[str, Function]:
    rows = {}
    for line in text.strip().splitlines():
        name, _, signature = line.partition(" ")
        rows[name] = Function(name, tensors, attributes(signature))
    return rows


ACTIVATIONS = _rows(_ACTIVATIONS, 1)
UNARY = _rows(_UNARY, 1)
ARITHMETIC = {
    name: Function(name, 2, (*_WITH_A_NUMBER, *row.arguments)) for name, row in _rows(_ARITHMETIC, 2).items()
}
# By name and number of tensors: torch.lerp takes a number or a tensor.
MERGES: dict[tuple[str, int], Function] = {}
for _line in _MERGES.strip().splitlines():
    _count, _, _row = _line.partition(" ")
    for _function in _rows(_row, int(_count)).values():
        MERGES[_function.name, _function.tensors] = _function


def function_of(op: str, kind: str, tensors: int) -> Function | None:
    """The row of a node, or None for a function that nobody listed.

    op: activation, unary or merge. tensors: how many nodes it reads.
    """
    if op == "activation":
        return ACTIVATIONS.get(kind) if tensors == 1 else None
    if kind == "stack" and op in ("unary", "merge"):
        return UNARY["stack"]
    if kind in ARITHMETIC and tensors in (1, 2):
        return ARITHMETIC[kind]
    return UNARY.get(kind) if tensors == 1 else MERGES.get((kind, tensors))
