"""The one table of ONNX operators: whoever adds one adds a row, and a test of it.

A row names the functions that know the operator; `row.py` says what each column means. An operator of the
standard that has only `Row()` is read, so that a network with it can be predicted, and marked as one that
nobody can run. What is no operator of the standard is refused (`check_operator`).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx

from service.errors import InvalidArchitecture, UnsupportedOperator
from service.graph_io.onnx import attributes, folding, linear, loose, shapes, weighted, weightless
from service.graph_io.onnx.builder import Builder
from service.graph_io.onnx.draft import Draft, Shape
from service.graph_io.onnx.exact import (
    activations,
    arithmetic,
    moving,
    normalising,
    pooling,
    reductions,
    resizing,
    views,
)
from service.graph_io.onnx.exact.rules import Exact, Rule, Site
from service.graph_io.onnx.folding import Fold
from service.graph_io.onnx.op import Op
from service.graph_io.onnx.row import Fact, Row, Signal
from service.graph_io.onnx.values import Value

# Any of the inputs.
_EVERY = range(2**31)
_FIRST, _NONE = Signal.FIRST, Signal.NONE


def _activation(kind: str, exact: Rule | None = None, facts: Fact = Fact.NOTHING) -> Row:
    return Row(
        exact=exact or activations.plain(kind),
        node=attributes.named("activation", kind=kind),
        shape=shapes.same,
        facts=facts,
    )


def _function(kind: str, fold: Fold | None = None, facts: Fact = Fact.NOTHING) -> Row:
    """A function of the numbers of one tensor."""
    return Row(exact=arithmetic.unary(kind), shape=shapes.same, fold=fold, facts=facts)


def _elementwise(
    exact: Rule | None, fold: Fold | None = None, facts: Fact = Fact.NOTHING, kind: str = ""
) -> Row:
    """A function of the numbers of several tensors."""

    def build(builder: Builder, op: Op, values: list[Value]) -> Draft:
        return weightless.elementwise(builder, op, values, kind)

    return Row(
        build=build,
        exact=exact,
        kind=kind,
        shape=shapes.elementwise,
        fold=fold,
        facts=Fact.ELEMENTWISE | facts,
        learned=_EVERY,
    )


def _arithmetic(kind: str, fold: Fold, together: str = "", facts: Fact = Fact.NOTHING) -> Row:
    """together: our operator of any number of tensors that the network computes."""
    return _elementwise(arithmetic.binary(kind, together), fold, facts, kind)


def _decision(kind: str, fold: Fold | None = None) -> Row:
    """True or false, of two tensors."""
    return _elementwise(arithmetic.binary(kind), fold, Fact.DISCRETE | Fact.WHOLE, kind)


def _bits() -> Row:
    return _elementwise(None, facts=Fact.DISCRETE)


def _reduction(exact: Rule | None = None, fold: Fold | None = None) -> Row:
    return Row(exact=exact, shape=shapes.reduce, fold=fold, signal=_FIRST)


def _passed(facts: Fact, fold: Fold | None = None, quantised: tuple[int, ...] = ()) -> Row:
    return Row(shape=shapes.same, fold=fold, signal=_FIRST, facts=Fact.PASSES | facts, quantised=quantised)


def _norm(name: str, weights: tuple[int, ...], facts: Fact = Fact.NOTHING, **statistics: float) -> Row:
    def build(builder: Builder, op: Op, values: list[Value]) -> Draft:
        return weighted.norm(builder, op, values, name)

    return Row(
        build=build,
        shape=shapes.same,
        weights=weights,
        starts={3: statistics["mean"], 4: statistics["variance"]} if statistics else {},
        facts=Fact.NORM | (Fact.LAYER if weights else Fact.NOTHING) | facts,
    )


def _recurrent(states: tuple[int, ...], *further: int, facts: Fact = Fact.NOTHING) -> Row:
    return Row(
        build=weighted.recurrent,
        weights=(1, 2, 3, *states, *further),
        states=states,
        starts=dict.fromkeys(states, 0.0),
        facts=Fact.LAYER | Fact.WHOLE_WEIGHT | facts,
    )


def _quantised_convolution(builder: Builder, op: Op, values: list[Value]) -> Draft:
    return weighted.convolution(builder, op, values, weight=3, bias=8)


def _integer_convolution(builder: Builder, op: Op, values: list[Value]) -> Draft:
    return weighted.convolution(builder, op, values, bias=9)


def _quantised_product(builder: Builder, op: Op, values: list[Value]) -> Draft:
    return linear.matmul(builder, op, values, left=0, right=3)


_CONVOLUTION = Fact.LAYER | Fact.WHOLE_WEIGHT
_PRODUCT = Fact.LAYER | Fact.PRODUCT
_SHAPES = Fact.SAME_NUMBERS | Fact.VIEW
_UNKNOWN = Row()

TABLE: dict[str, Row] = {
    # Layers with weights
    "Conv": Row(
        build=weighted.convolution, shape=shapes.conv, weights=(1, 2), facts=_CONVOLUTION | Fact.NODE
    ),
    "ConvTranspose": Row(
        build=weighted.convolution,
        shape=shapes.conv_transpose,
        weights=(1, 2),
        facts=_CONVOLUTION | Fact.NODE,
    ),
    "ConvInteger": Row(build=_integer_convolution, shape=shapes.conv, weights=(1,), facts=_CONVOLUTION),
    "QLinearConv": Row(
        build=_quantised_convolution,
        shape=shapes.quantised_conv,
        weights=(3, 8),
        quantised=(8,),
        facts=_CONVOLUTION,
    ),
    "DeformConv": Row(build=weighted.deformed, shape=shapes.conv, weights=(1, 3), facts=Fact.LAYER),
    "CausalConvWithState": Row(weights=(1, 2), facts=Fact.LAYER),
    "Gemm": Row(build=linear.gemm, shape=shapes.gemm, weights=(1, 2), facts=Fact.LAYER | Fact.NODE),
    "MatMul": Row(build=linear.matmul, shape=shapes.matmul, weights=(0, 1), facts=_PRODUCT),
    "MatMulInteger": Row(build=linear.matmul, shape=shapes.matmul, weights=(0, 1), facts=_PRODUCT),
    "QLinearMatMul": Row(build=_quantised_product, weights=(0, 3), facts=_PRODUCT),
    "Einsum": Row(build=linear.einsum, shape=shapes.einsum, weights=(0, 1), facts=_PRODUCT),
    "BatchNormalization": _norm(
        "batch_norm", (1, 2, 3, 4), Fact.WHOLE_WEIGHT | Fact.NODE, mean=0.0, variance=1.0
    ),
    "InstanceNormalization": _norm("instance_norm", (1, 2)),
    "LayerNormalization": _norm("layer_norm", (1, 2)),
    "GroupNormalization": _norm("group_norm", (1, 2)),
    "RMSNormalization": _norm("rms_norm", (1,)),
    "SpatialBN": _norm("batch_norm", (), Fact.RETIRED),
    "PRelu": Row(build=weighted.prelu, shape=shapes.elementwise, weights=(1,)),
    "LSTM": _recurrent((5, 6), 7, facts=Fact.NODE),
    "GRU": _recurrent((5,), facts=Fact.NODE),
    "RNN": _recurrent((5,)),
    # Activations
    "Relu": _activation("relu", facts=Fact.NODE),
    "LeakyRelu": _activation("leaky_relu", activations.scaled("leaky_relu", "negative_slope", "alpha", 0.01)),
    "Elu": _activation("elu", activations.scaled("elu", "alpha", "alpha", 1.0)),
    "Celu": _activation("celu", activations.scaled("celu", "alpha", "alpha", 1.0)),
    "Selu": _activation("selu", activations.selu),
    "Gelu": _activation("gelu", activations.gelu),
    "Sigmoid": _activation("sigmoid"),
    "HardSigmoid": _activation("hardsigmoid", activations.hard_sigmoid),
    "HardSwish": _activation("hardswish"),
    "Swish": _activation("silu", activations.swish),
    "Tanh": _activation("tanh"),
    "Softplus": _activation("softplus"),
    "Softsign": _activation("softsign"),
    "Mish": _activation("mish"),
    "ThresholdedRelu": _activation("threshold", activations.threshold),
    "Shrink": _activation("shrink", activations.shrink),
    "ScaledTanh": Row(node=attributes.named("activation", kind="scaled_tanh"), facts=Fact.RETIRED),
    "ParametricSoftplus": Row(node=attributes.named("activation", kind="softplus"), facts=Fact.RETIRED),
    "Clip": Row(exact=activations.clip, node=attributes.clip, shape=shapes.same, signal=_FIRST),
    "Softmax": Row(exact=normalising.softmax(False), node=attributes.along("softmax", -1), shape=shapes.same),
    "LogSoftmax": Row(
        exact=normalising.softmax(True), node=attributes.along("softmax", -1), shape=shapes.same
    ),
    "Hardmax": Row(node=attributes.along("softmax", -1), shape=shapes.same),
    "LpNormalization": Row(exact=normalising.unit_length, shape=shapes.same),
    "LRN": Row(exact=normalising.local_response, shape=shapes.same),
    "MeanVarianceNormalization": Row(shape=shapes.same),
    # Pooling
    "MaxPool": Row(exact=pooling.maximum, node=attributes.maximum, shape=shapes.pool, facts=Fact.NODE),
    "AveragePool": Row(
        exact=pooling.average, node=attributes.average_or_global, shape=shapes.pool, facts=Fact.NODE
    ),
    "LpPool": Row(node=attributes.average, shape=shapes.pool),
    "GlobalAveragePool": Row(
        exact=pooling.everywhere("global_avg_pool"),
        node=attributes.named("global_avg_pool"),
        shape=shapes.global_pool,
    ),
    "GlobalLpPool": Row(node=attributes.named("global_avg_pool"), shape=shapes.global_pool),
    "GlobalMaxPool": Row(
        exact=pooling.everywhere("global_max_pool"),
        node=attributes.named("global_max_pool"),
        shape=shapes.global_pool,
    ),
    # Attention
    "Attention": Row(build=weightless.attention, shape=shapes.same),
    "RotaryEmbedding": Row(shape=shapes.same),
    "LinearAttention": Row(learned=(0, 1, 2, 4, 5)),
    # Functions of single numbers
    "Exp": _function("exp"),
    "Log": _function("log"),
    "Sqrt": _function("sqrt", folding.SQUARE_ROOT),
    "Reciprocal": _function("reciprocal", folding.INVERSE),
    "Neg": _function("neg", folding.each(np.negative)),
    "Abs": _function("abs"),
    "Floor": _function("floor", folding.each(np.floor)),
    "Ceil": _function("ceil", folding.each(np.ceil)),
    "Round": _function("round"),
    "Sign": _function("sign"),
    "Sin": _function("sin"),
    "Cos": _function("cos"),
    "Tan": _function("tan"),
    "Atan": _function("atan"),
    "Erf": _function("erf"),
    "Not": _function("logical_not", folding.each(np.logical_not), Fact.WHOLE),
    "IsNaN": _function("isnan", facts=Fact.WHOLE),
    "Add": _arithmetic("add", folding.each(np.add), "add"),
    "Sub": _arithmetic("sub", folding.each(np.subtract)),
    "Mul": _arithmetic("mul", folding.each(np.multiply), "mul"),
    "Div": _arithmetic("div", folding.DIVIDE),
    "Pow": _arithmetic("pow", folding.POWER),
    "Mod": _elementwise(arithmetic.modulo, folding.MODULO, Fact.DISCRETE),
    "Max": _arithmetic("maximum", folding.each(np.maximum), facts=Fact.JOINS),
    "Min": _arithmetic("minimum", folding.each(np.minimum), facts=Fact.JOINS),
    "Sum": _elementwise(arithmetic.total, facts=Fact.JOINS, kind="add"),
    "Mean": _elementwise(None, facts=Fact.JOINS),
    "Where": _elementwise(arithmetic.where, folding.WHERE),
    "Equal": _decision("eq", folding.each(np.equal)),
    "Less": _decision("lt"),
    "LessOrEqual": _decision("le"),
    "Greater": _decision("gt"),
    "GreaterOrEqual": _decision("ge"),
    "And": _decision("logical_and"),
    "Or": _decision("logical_or"),
    "Xor": _decision("logical_xor"),
    "BitShift": _bits(),
    "BitwiseAnd": _bits(),
    "BitwiseOr": _bits(),
    "BitwiseXor": _bits(),
    # Reductions
    "ReduceMean": Row(
        build=weightless.reduction, exact=reductions.reduce("mean"), shape=shapes.reduce, signal=_FIRST
    ),
    "ReduceSum": Row(
        build=weightless.reduction, exact=reductions.reduce("sum"), shape=shapes.reduce, signal=_FIRST
    ),
    "ReduceMax": _reduction(reductions.reduce("amax")),
    "ReduceMin": _reduction(reductions.reduce("amin")),
    "ReduceL1": _reduction(reductions.norm(1.0)),
    "ReduceL2": _reduction(reductions.norm(2.0)),
    "ReduceProd": _reduction(reductions.product, folding.PRODUCT),
    "ReduceSumSquare": _reduction(),
    "ReduceLogSum": Row(signal=_FIRST),
    "ReduceLogSumExp": Row(exact=reductions.reduce("logsumexp"), signal=_FIRST),
    "ArgMax": Row(exact=reductions.place("argmax"), facts=Fact.WHOLE),
    "ArgMin": Row(exact=reductions.place("argmin"), facts=Fact.WHOLE),
    "CumSum": Row(exact=reductions.running_sum, shape=shapes.same, signal=_FIRST),
    "TopK": Row(exact=reductions.largest, signal=_FIRST),
    # The same numbers in another shape or order
    "Reshape": Row(
        exact=views.reshape,
        node=attributes.reshape,
        shape=shapes.reshape,
        fold=folding.RESHAPE,
        signal=_FIRST,
        facts=_SHAPES,
    ),
    "Squeeze": Row(
        exact=views.moved_axes,
        node=attributes.squeeze,
        shape=shapes.squeeze,
        fold=folding.SQUEEZE,
        signal=_FIRST,
        facts=_SHAPES,
    ),
    "Unsqueeze": Row(
        exact=views.moved_axes,
        node=attributes.squeeze,
        shape=shapes.unsqueeze,
        fold=folding.UNSQUEEZE,
        signal=_FIRST,
        facts=_SHAPES,
    ),
    "Flatten": Row(
        exact=views.flatten, node=attributes.flatten, shape=shapes.flatten, signal=_FIRST, facts=_SHAPES
    ),
    "Transpose": Row(
        exact=views.transpose,
        node=attributes.permute,
        shape=shapes.transpose,
        fold=folding.TRANSPOSE,
        signal=_FIRST,
        facts=_SHAPES | Fact.ALIAS,
    ),
    "Expand": Row(
        exact=views.expand, node=attributes.kind, shape=shapes.expand, signal=_FIRST, facts=Fact.PART
    ),
    "Tile": Row(exact=views.tile, signal=_FIRST),
    "DepthToSpace": Row(exact=moving.depth_to_space, node=attributes.kind, shape=shapes.blocks),
    "SpaceToDepth": Row(node=attributes.kind, shape=shapes.blocks),
    "Trilu": Row(exact=moving.triangle, shape=shapes.same, signal=_FIRST),
    # Parts and joins
    "Slice": Row(
        exact=moving.part,
        node=attributes.part,
        shape=shapes.part,
        fold=folding.PART,
        signal=_FIRST,
        facts=Fact.SAME_AXES | Fact.PART,
    ),
    "DynamicSlice": Row(node=attributes.named("slice"), facts=Fact.RETIRED),
    "Split": Row(node=attributes.along("split", 0), shape=shapes.split, signal=_FIRST, facts=Fact.SAME_AXES),
    "SplitToSequence": Row(signal=_FIRST),
    "Gather": Row(
        build=weightless.gather,
        exact=moving.gather,
        shape=shapes.gather,
        fold=folding.GATHER,
        learned=_EVERY,
    ),
    "GatherElements": Row(learned=(0,)),
    "GatherND": Row(build=weightless.gather_rows, shape=shapes.gather_rows, learned=(0,)),
    "Compress": Row(learned=(0,)),
    "Concat": Row(
        build=loose.concat, shape=shapes.concat, fold=folding.CONCAT, facts=Fact.JOINS, learned=_EVERY
    ),
    "Scatter": Row(learned=(0, 2)),
    "ScatterElements": Row(learned=(0, 2)),
    "ScatterND": Row(learned=(0, 2)),
    "TensorScatter": Row(learned=(0, 1)),
    "SequenceConstruct": Row(learned=_EVERY),
    "SequenceInsert": Row(learned=(1,)),
    "Pad": Row(exact=moving.pad, node=attributes.pad, shape=shapes.pad, signal=_FIRST),
    "CenterCropPad": Row(signal=_FIRST),
    "Resize": Row(exact=resizing.resize, node=attributes.named("resize"), shape=shapes.resize, signal=_FIRST),
    "Upsample": Row(
        exact=resizing.resize, node=attributes.named("resize"), shape=shapes.resize, signal=_FIRST
    ),
    "GridSample": Row(learned=(0,)),
    "OneHot": Row(signal=_FIRST),
    "DynamicQuantizeLinear": Row(signal=_FIRST),
    # Passed over
    "Identity": _passed(Fact.SAME_NUMBERS | Fact.SAME_AXES | Fact.VIEW | Fact.ALIAS, folding.SAME),
    "Cast": _passed(Fact.SAME_NUMBERS | Fact.SAME_AXES | Fact.VIEW, folding.CAST),
    "CastLike": _passed(Fact.SAME_NUMBERS | Fact.SAME_AXES, folding.CAST),
    "Dropout": _passed(Fact.SAME_NUMBERS | Fact.SAME_AXES),
    "QuantizeLinear": _passed(Fact.SAME_AXES),
    "DequantizeLinear": _passed(Fact.SAME_AXES | Fact.VIEW | Fact.ALIAS, quantised=(0,)),
    "BitCast": Row(signal=_FIRST, facts=Fact.PASSES),
    # Known before the network sees its input
    "Shape": Row(fold=folding.shape_of, signal=_NONE),
    "Size": Row(fold=folding.shape_of, signal=_NONE),
    "ConstantOfShape": Row(shape=shapes.of_value, fold=folding.FILLED, signal=_NONE),
    "EyeLike": Row(signal=_NONE),
    "RandomNormalLike": Row(signal=_NONE),
    "RandomUniformLike": Row(signal=_NONE),
    "RandomNormal": Row(signal=_NONE),
    "RandomUniform": Row(signal=_NONE),
    "Range": Row(fold=folding.RANGE),
    "Constant": Row(),
    # Read, and marked as functions that nobody can run
    **dict.fromkeys(
        (
            "Acos Acosh AffineGrid Asin Asinh Atanh Bernoulli BitwiseNot BlackmanWindow Col2Im "
            "ConcatFromSequence Cosh CumProd DFT Det HammingWindow HannWindow If ImageDecoder IsInf Loop "
            "MaxRoiPool MaxUnpool MelWeightMatrix Multinomial NegativeLogLikelihoodLoss NonMaxSuppression "
            "NonZero Optional OptionalGetElement OptionalHasElement RegexFullMatch ReverseSequence "
            "RoiAlign STFT Scan SequenceAt SequenceEmpty SequenceErase SequenceLength SequenceMap Sinh "
            "SoftmaxCrossEntropyLoss StringConcat StringNormalizer StringSplit SwiGLU TfIdfVectorizer "
            "Unique"
        ).split(),
        _UNKNOWN,
    ),
    # Of early versions
    **dict.fromkeys(
        "ATen Affine ConstantFill Crop GRUUnit GivenTensorFill ImageScaler LayerNorm Scale".split(),
        Row(facts=Fact.RETIRED),
    ),
}


def row_of(name: str) -> Row:
    """What is known of an ONNX operator; nothing of one that is not listed."""
    return TABLE.get(name, _UNKNOWN)


def infer(op: Op, inputs: list[Value]) -> Shape:
    """Shape of the operation's first output, None if it cannot be told."""
    rule = row_of(op.type).shape
    if not inputs or rule is None:
        return None
    try:
        shape = rule(op, inputs)
    except (LookupError, ValueError, TypeError, ZeroDivisionError, OverflowError):
        # An ill-formed operation: its shape is unknown, and the checks of the finished graph decide.
        return None
    return shape if shape is None or len(shape) <= shapes.MAX_RANK else None


def translation(site: Site) -> Exact | None:
    """What computes the same as the operation, None where nobody knows."""
    rule = row_of(site.op.type).exact
    if rule is None or site.op.domain:
        return None
    try:
        return rule(site)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        # An ill-formed operation computes nothing that could be run.
        return None


@cache
def _least_inputs() -> dict[tuple[str, str], int]:
    """{(domain, name): the fewest inputs in any version} of every operator of the standard."""
    least: dict[tuple[str, str], int] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        key = (schema.domain, schema.name)
        least[key] = min(schema.min_input, least.get(key, schema.min_input))
    return least


def check_operator(op: Op) -> None:
    """Raises UnsupportedOperator if no version of the ONNX standard has the operator, InvalidArchitecture if
    it lacks inputs.
    """
    least = _least_inputs().get((op.domain, op.type))
    if least is None and (op.domain or Fact.RETIRED not in row_of(op.type).facts):
        raise UnsupportedOperator(
            f"Node {op.where!r} uses {op.type!r}, which is not an operator of ONNX.",
            operator=op.type,
            node=op.where,
            hint="Export with standard ONNX operators only.",
        )
    if len(op.inputs) < (least or 0):
        raise InvalidArchitecture(
            f"Node {op.where!r} ({op.type}) has {len(op.inputs)} inputs, it needs {least} or more.",
            node=op.where,
        )
