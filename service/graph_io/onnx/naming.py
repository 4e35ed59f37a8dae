"""What a tensor's name says: a module gave it, an exporter made it up, or modules call constants so."""

from __future__ import annotations

import re

# Values are named by exporters in ways that no module names its tensors.
_MADE_UP = re.compile(
    r"^(onnx::|_?val_|const_fold|Constant|p2o\.|/|\d+$)|_output_\d+$|(^|[./_])[Cc]onst(ant)?([._]?\d+|:\d+)"
    r"|/[xy](:\d+)?$"
)
# The dynamo exporter and its optimizer name what they fold after the ATen operator that made it.
_ATEN = (
    "abs add arange bitwise_and bitwise_not bitwise_or cat ceil clamp clone constant_pad_nd contiguous copy "
    "convert_element_type cos cumsum detach div eq exp expand expm1 eye flatten flip floor full full_like ge "
    "gt index index_select le lift_fresh_copy linspace log logical_and logical_not logical_or lt matmul "
    "masked_fill maximum minimum mm mul ne neg ones ones_like outer pad permute pow reciprocal remainder "
    "repeat reshape roll rsqrt rsub scalar_tensor sin slice sqrt squeeze stack sub tan tile to to_copy "
    "transpose tril triu type_as unbind unflatten unsqueeze view where zeros zeros_like"
).split()
# A module may have a tensor of such a name, but none with a number behind it.
_ATEN_NUMBERED = (
    "bmm conv1d conv2d einsum embedding gelu getitem layer_norm linear max mean min rand randn relu scalar "
    "select sigmoid silu softmax split sum tanh"
).split()
_OPERATORS = re.compile(rf"^(_?({'|'.join(_ATEN)})(_\d+)?|({'|'.join(_ATEN_NUMBERED)})_\d+)$")

# Last parts of names that modules give to tensors they do not train.
_CONSTANTS = frozenset(
    # filters of resampling, spectra and mel scales
    "filt kernel_blur dct_mat fb filterbank forward_basis forward_basis_buffer hann_window inverse_basis "
    "mel_basis mel_fb mel_filters stft_window wcos window wsin "
    # normalisation of the input
    "imagenet_mean imagenet_std mean pixel_mean pixel_std std variance "
    # grids and anchors of detectors
    "anchor_grid anchor_points anchors base_grid grid stride strides "
    # masks
    "attention_mask attn_mask causal_mask mask "
    # positions that nobody learned
    "cos_cache cos_cached freqs_cis freqs_cos freqs_sin inv_freq pe position_ids relative_coords_table "
    "relative_position_index sin_cache sin_cached sinusoid_table token_type_ids "
    # statistics
    "moving_mean moving_variance num_batches_tracked running_mean running_var".split()
)
_SUFFIX = re.compile(r"(:\d+|_\d+)$")


def is_made_up(name: str) -> bool:
    """Whether an exporter invented the name: it tells nothing of the tensor."""
    return bool(_MADE_UP.search(name)) or is_operator_name(name)


def is_operator_name(name: str) -> bool:
    """Whether an exporter named the tensor after the operator that made it from the module's own tensors."""
    return bool(_OPERATORS.match(name))


def is_number(name: str) -> bool:
    """Whether the name is a number, as exporters of 2019 called every tensor."""
    return name.isdecimal()


def is_constant_name(name: str) -> bool:
    """Whether modules call a tensor so that they never train."""
    last = name.replace("/", ".").rsplit(".", 1)[-1]
    return last in _CONSTANTS or _SUFFIX.sub("", last) in _CONSTANTS
