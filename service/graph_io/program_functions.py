"""Functions of torch that a program may call: operators of torch's own library that compute tensors from
tensors and numbers alone.

None of them draws random numbers, reads a file or shares memory with another process. Every overload of a
listed operator is one of these, but for those that write into a tensor of the caller (`out`).
"""

from __future__ import annotations

# Bytes of the constants of one program.
MAX_CONSTANT_BYTES = 32 * 2**20

_ARITHMETIC = """
add add_ sub sub_ rsub mul mul_ div div_ pow pow_ square neg neg_ abs abs_ reciprocal reciprocal_ remainder
fmod floor_divide sqrt sqrt_ rsqrt rsqrt_ exp exp_ exp2 expm1 log log_ log2 log10 log1p sin cos tan asin
acos atan atan2 sinh cosh asinh acosh atanh erf erfc erfinv floor floor_ ceil ceil_ round round_ trunc
trunc_ frac sgn sign maximum minimum fmax fmin lerp lerp_ addcmul addcmul_ addcdiv addcdiv_ clamp clamp_
clamp_min clamp_min_ clamp_max clamp_max_ nan_to_num nan_to_num_ hypot logaddexp logaddexp2 xlogy
special_xlog1py sinc cross linalg_cross
"""
_COMPARISON = """
eq ne lt le gt ge isnan isinf isfinite logical_and logical_or logical_xor logical_not bitwise_and bitwise_or
bitwise_xor bitwise_not where masked_fill masked_fill_ any all
"""
_ACTIVATION = """
relu relu_ leaky_relu leaky_relu_ elu elu_ celu celu_ selu selu_ gelu gelu_ silu silu_ mish mish_ sigmoid
sigmoid_ tanh tanh_ hardtanh hardtanh_ hardsigmoid hardsigmoid_ hardswish hardswish_ hardshrink softshrink
softplus log_sigmoid_forward threshold threshold_ glu _softmax _safe_softmax _log_softmax _prelu_kernel
"""
_PRODUCT = """
mm bmm addmm addmv addbmm baddbmm mv dot vdot linear matmul outer convolution _convolution
_trilinear linalg_vector_norm norm cdist _cdist_forward _euclidean_dist
_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_attention_math embedding
"""
# Fourier layers (FNet, GFNet, AFNO).
_SPECTRUM = """
_fft_r2c _fft_c2r _fft_c2c view_as_complex real imag _conj _conj_physical conj_physical resolve_conj angle
complex polar
"""
_NORM = """
native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training native_layer_norm
native_group_norm _fused_rms_norm _weight_norm_interface
"""
_REDUCTION = """
sum mean amax amin max min aminmax prod var std var_mean std_mean logsumexp argmax argmin median cumsum
cumprod cummax cummin logcumsumexp sort topk argsort kthvalue count_nonzero
"""
_POOL = """
avg_pool1d avg_pool2d avg_pool3d max_pool2d_with_indices max_pool3d_with_indices _adaptive_avg_pool2d
_adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d adaptive_avg_pool2d max_unpool2d max_unpool3d
"""
_SIZE = """
upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
_upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d
_upsample_bilinear2d_aa _upsample_bicubic2d_aa constant_pad_nd reflection_pad1d reflection_pad2d
reflection_pad3d replication_pad1d replication_pad2d replication_pad3d im2col col2im grid_sampler_2d
grid_sampler_3d affine_grid_generator pixel_shuffle pixel_unshuffle channel_shuffle
"""
_LAYOUT = """
view as_strided as_strided_ _unsafe_view reshape _reshape_alias expand permute transpose transpose_ t t_
squeeze unsqueeze flatten unfold slice select split split_with_sizes unsafe_split unsafe_split_with_sizes
unsafe_chunk chunk unbind narrow cat stack repeat roll flip rot90 movedim diagonal tril triu clone alias
detach _to_copy lift_fresh contiguous view_as_real index index_select gather scatter scatter_ scatter_add
scatter_add_ index_add index_add_ index_put index_put_ index_fill index_fill_ take_along_dim copy_ copy
fill_ fill zero_ slice_scatter select_scatter diagonal_copy repeat_interleave one_hot diag_embed block_diag
"""
_NEW = """
empty empty_like new_empty zeros zeros_like new_zeros ones ones_like new_ones full full_like new_full arange
linspace eye scalar_tensor tril_indices triu_indices
"""

_FUNCTIONS = frozenset(
    " ".join(
        (
            *(_ARITHMETIC, _COMPARISON, _ACTIVATION, _PRODUCT, _SPECTRUM, _NORM),
            *(_REDUCTION, _POOL, _SIZE, _LAYOUT, _NEW),
        )
    ).split()
)
# They make a tensor from numbers alone, and need to be told where.
_MAKERS = frozenset(
    "empty zeros ones full arange linspace eye scalar_tensor tril_indices triu_indices".split()
)


def runs(function: str) -> bool:
    """Whether a program may call a function, which is given as operator.overload."""
    packet, _, overload = function.partition(".")
    return packet in _FUNCTIONS and "out" not in overload.lower()


def makes(function: str) -> bool:
    """Whether a function makes a tensor from numbers alone."""
    return function.partition(".")[0] in _MAKERS
