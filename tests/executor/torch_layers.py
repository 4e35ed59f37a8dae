"""Small networks around one layer or function of torch, each with arguments that are not its defaults.

Used by every test that asks whether what we run is what torch runs: the tracer, both ONNX exporters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGE, TOKENS, SERIES, VOLUME = (8, 12, 10), (12, 8), (8, 20), (4, 6, 6, 6)


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Surrounded(nn.Module):
    """A learned layer, the layer in question, and the mean over the positions."""

    def __init__(self, layer: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        channels = shape[-1] if len(shape) == 2 and shape == TOKENS else shape[0]
        self.first: nn.Module
        if shape == TOKENS:
            self.first = nn.Linear(channels, channels)
        else:
            kind = {2: nn.Conv1d, 3: nn.Conv2d, 4: nn.Conv3d}[len(shape)]
            self.first = kind(channels, channels, 3, padding=1)
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.first(x))


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...] = IMAGE

    def module(self) -> nn.Module:
        """In evaluation, with random weights that are not what initialisation gives (biases of zero)."""
        torch.manual_seed(5)
        model = Surrounded(self.make(), self.shape).eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                # Nobody predicts running statistics: networks are run with those of the batch.
                module.train()
        generator = torch.Generator().manual_seed(7)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
        return model

    def images(self, count: int) -> Tensor:
        return torch.randn(count, *self.shape, generator=torch.Generator().manual_seed(11))


def _of(function: Callable[[Tensor], Tensor]) -> Callable[[], nn.Module]:
    return lambda: Function(function)


class SelfAttention(nn.Module):
    def __init__(self, batch_first: bool = True, masked: bool = False, **options: object) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first, **options)  # type: ignore[arg-type]
        self.masked = masked

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1) if self.masked else None
        return self.attention(x, x, x, need_weights=False, attn_mask=mask)[0]


class CrossAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 4, batch_first=True, kdim=8, vdim=8)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x[:, :5], x, x.flip(1), need_weights=False)[0]


class Heads(nn.Module):
    """Scaled dot-product attention by the function, as vision transformers call it."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)
        self.options = options

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, 2, width // 2).permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v, **self.options)  # type: ignore[arg-type]
        return self.proj(x.transpose(1, 2).reshape(n, length, width))


class SpelledAttention(nn.Module):
    def __init__(self, scale: float, bias: bool = False) -> None:
        super().__init__()
        self.qkv, self.proj, self.scale = nn.Linear(8, 24), nn.Linear(8, 8), scale
        self.table = nn.Parameter(torch.zeros(1, 2, 12, 12)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        scores = (q * self.scale) @ k.transpose(-2, -1)
        if self.table is not None:
            scores = scores + self.table
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class Weighted(nn.Module):
    """A parameter of its own in a function of the input."""

    def __init__(self, shape: tuple[int, ...], function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.weight, self.function = nn.Parameter(torch.zeros(shape)), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, self.weight)


class StandardisedConv(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        flat = self.weight.flatten(1)
        mean, std = flat.mean(1)[:, None, None, None], flat.std(1)[:, None, None, None]
        return F.conv2d(x, (self.weight - mean) / (std + 1e-5), self.bias, padding=1)


class Buffered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.linspace(-1, 1, 8 * 12 * 10).view(1, 8, 12, 10))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table


class Blur(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.tensor([[1.0, 2, 1]] * 3).div(16).repeat(8, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel, padding=1, groups=8)


class Windows(nn.Module):
    """Windows of 3 x 5 positions, a layer in each, and back: the batch axis grows and shrinks."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        x = (
            x.permute(0, 2, 3, 1)
            .view(n, h // 3, 3, w // 5, 5, c)
            .permute(0, 1, 3, 2, 4, 5)
            .reshape(-1, 15, c)
        )
        x = self.inner(x).view(-1, h // 3, w // 5, 3, 5, c).permute(0, 1, 3, 2, 4, 5)
        return x.reshape(n, h, w, c).permute(0, 3, 1, 2)


class Shuffle(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


class LengthFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation="gelu", norm_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.transpose(0, 1)).transpose(0, 1)


LAYERS: tuple[Case, ...] = (
    # Convolutions
    Case(
        "conv stride dilation",
        lambda: nn.Conv2d(8, 6, (3, 2), stride=(2, 1), padding=(2, 0), dilation=(1, 2)),
    ),
    Case("conv groups", lambda: nn.Conv2d(8, 16, 3, padding=1, groups=4)),
    Case("conv depthwise bias", lambda: nn.Conv2d(8, 8, 3, padding=1, groups=8)),
    Case("conv depthwise multiplier", lambda: nn.Conv2d(8, 16, 3, stride=2, groups=8, bias=False)),
    Case("conv same even", lambda: nn.Conv2d(8, 6, 4, padding="same")),
    Case("conv same dilated", lambda: nn.Conv2d(8, 6, (2, 3), padding="same", dilation=(3, 2))),
    Case("conv valid", lambda: nn.Conv2d(8, 6, 3, padding="valid")),
    *(
        Case(f"conv padded {mode}", lambda mode=mode: nn.Conv2d(8, 6, 3, padding=(1, 2), padding_mode=mode))
        for mode in ("reflect", "replicate", "circular")
    ),
    Case("conv1d", lambda: nn.Conv1d(8, 6, 5, stride=2, padding=1, dilation=2, groups=2), SERIES),
    Case("conv3d", lambda: nn.Conv3d(4, 6, (1, 3, 3), stride=(1, 2, 1), padding=(0, 1, 1)), VOLUME),
    Case("transposed conv", lambda: nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1)),
    Case(
        "transposed conv groups",
        lambda: nn.ConvTranspose2d(8, 4, (2, 3), stride=(2, 1), groups=2, dilation=(1, 2)),
    ),
    Case("transposed conv1d", lambda: nn.ConvTranspose1d(8, 6, 4, stride=2, padding=1), SERIES),
    Case("transposed conv3d", lambda: nn.ConvTranspose3d(4, 2, 2, stride=2, bias=False), VOLUME),
    Case("standardised conv", lambda: StandardisedConv(8, 6, 3)),
    Case("weight norm", lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 6, 3))),
    Case("spectral norm", lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(8, 6)), TOKENS),
    Case("fixed blur", Blur),
    Case("unfold", lambda: nn.Unfold(3, padding=1, stride=2)),
    Case("fold", lambda: nn.Sequential(nn.Unfold(2, stride=2), nn.Fold((12, 10), 2, stride=2))),
    # Linear layers
    Case("linear no bias", lambda: nn.Linear(8, 5, bias=False), TOKENS),
    Case("bilinear", lambda: Weighted((5, 8, 8), lambda x, w: F.bilinear(x, x.flip(1), w)), TOKENS),
    Case("matmul parameter", lambda: Weighted((8, 5), lambda x, w: x @ w), TOKENS),
    Case("parameter matmul", lambda: Weighted((7, 12), lambda x, w: w @ x), TOKENS),
    Case("einsum", lambda: Weighted((8, 5), lambda x, w: torch.einsum("nlc,co->nlo", x, w)), TOKENS),
    # Norms
    Case("batch norm", lambda: nn.BatchNorm2d(8, eps=0.3).train()),
    Case("group norm", lambda: nn.GroupNorm(2, 8, eps=0.2)),
    Case("group norm plain", lambda: nn.GroupNorm(4, 8, affine=False)),
    Case("instance norm", lambda: nn.InstanceNorm2d(8, eps=0.2, affine=True)),
    Case("instance norm plain", lambda: nn.InstanceNorm2d(8)),
    Case("layer norm", lambda: nn.LayerNorm(8, eps=0.2), TOKENS),
    Case("layer norm no bias", lambda: nn.LayerNorm(8, bias=False), TOKENS),
    Case("layer norm of an image", lambda: nn.LayerNorm((8, 12, 10))),
    Case("layer norm two axes", lambda: nn.LayerNorm((12, 10), elementwise_affine=False)),
    Case("layer norm plain", lambda: nn.LayerNorm((12, 8), elementwise_affine=False), TOKENS),
    Case("rms norm", lambda: nn.RMSNorm(8, eps=0.2), TOKENS),
    Case("rms norm two axes", lambda: nn.RMSNorm((12, 8)), TOKENS),
    Case("local response norm", lambda: nn.LocalResponseNorm(3, alpha=0.1, beta=0.5, k=2)),
    Case("normalize", _of(lambda x: F.normalize(x, p=1.0, dim=2))),
    # Pooling
    Case(
        "max pool",
        lambda: nn.MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), ceil_mode=True),
    ),
    Case("max pool1d", lambda: nn.MaxPool1d(3, stride=2, padding=1), SERIES),
    Case("max pool3d", lambda: nn.MaxPool3d(2, stride=2), VOLUME),
    Case("avg pool", lambda: nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)),
    Case("avg pool divisor", lambda: nn.AvgPool2d(2, divisor_override=3)),
    Case("avg pool1d", lambda: nn.AvgPool1d(3, stride=2, padding=1), SERIES),
    Case("avg pool3d", lambda: nn.AvgPool3d(2, count_include_pad=False, padding=1), VOLUME),
    Case("lp pool", lambda: nn.LPPool2d(2, 3, stride=2)),
    Case("adaptive avg pool", lambda: nn.AdaptiveAvgPool2d((5, None))),
    Case("adaptive avg pool 1", lambda: nn.AdaptiveAvgPool2d(1)),
    Case("adaptive avg pool1d", lambda: nn.AdaptiveAvgPool1d(7), SERIES),
    Case("adaptive max pool", lambda: nn.AdaptiveMaxPool2d((4, 3))),
    Case("adaptive max pool 1", lambda: nn.AdaptiveMaxPool2d(1)),
    # Activations
    *(
        Case(name, make)
        for name, make in {
            "leaky relu": lambda: nn.LeakyReLU(0.5),
            "elu": lambda: nn.ELU(3.0),
            "celu": lambda: nn.CELU(2.0),
            "selu": nn.SELU,
            "gelu tanh": lambda: nn.GELU("tanh"),
            "gelu": nn.GELU,
            "silu": nn.SiLU,
            "mish": nn.Mish,
            "softplus": lambda: nn.Softplus(2.0, 0.5),
            "softsign": nn.Softsign,
            "hardtanh": lambda: nn.Hardtanh(-0.2, 0.7),
            "relu6": nn.ReLU6,
            "hardswish": nn.Hardswish,
            "hardsigmoid": nn.Hardsigmoid,
            "hardshrink": lambda: nn.Hardshrink(0.3),
            "softshrink": lambda: nn.Softshrink(0.3),
            "tanhshrink": nn.Tanhshrink,
            "threshold": lambda: nn.Threshold(0.2, -3.0),
            "rrelu": lambda: nn.RReLU(0.2, 0.4),
            "logsigmoid": nn.LogSigmoid,
            "prelu": nn.PReLU,
            "prelu channels": lambda: nn.PReLU(8),
            "glu": lambda: nn.GLU(1),
            "softmax": lambda: nn.Softmax(1),
            "softmax2d": nn.Softmax2d,
            "softmin": lambda: nn.Softmin(2),
            "log softmax": lambda: nn.LogSoftmax(1),
            "sigmoid tanh": lambda: nn.Sequential(nn.Sigmoid(), nn.Tanh()),
        }.items()
    ),
    # Padding
    Case("zero pad", lambda: nn.ZeroPad2d((1, 2, 0, 3))),
    Case("constant pad", lambda: nn.ConstantPad2d((1, 0, 2, 1), 2.5)),
    Case("reflection pad", lambda: nn.ReflectionPad2d((1, 2, 3, 0))),
    Case("replication pad", lambda: nn.ReplicationPad2d(2)),
    Case("circular pad", lambda: nn.CircularPad2d((1, 2, 0, 1))),
    Case("cropping pad", _of(lambda x: F.pad(x, (-1, -2, 1, 0)))),
    Case("channel pad", _of(lambda x: F.pad(x, (0, 0, 0, 0, 2, 1), value=1.5))),
    Case("constant pad1d", lambda: nn.ConstantPad1d((3, 1), -1.0), SERIES),
    # Resizing and shuffles
    Case("upsample nearest", lambda: nn.Upsample(scale_factor=2)),
    Case("upsample bilinear", lambda: nn.Upsample(size=(20, 15), mode="bilinear")),
    Case("upsample corners", lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)),
    Case("upsample bicubic", lambda: nn.Upsample(scale_factor=1.5, mode="bicubic")),
    Case("upsample nearest-exact", _of(lambda x: F.interpolate(x, size=(7, 13), mode="nearest-exact"))),
    Case("downsample area", _of(lambda x: F.interpolate(x, size=(5, 4), mode="area"))),
    Case("downsample antialias", _of(lambda x: F.interpolate(x, (6, 5), mode="bilinear", antialias=True))),
    Case("upsample by a factor", _of(lambda x: F.interpolate(x, scale_factor=(1.3, 1.7), mode="bilinear"))),
    Case("upsample1d", lambda: nn.Upsample(scale_factor=2, mode="linear"), SERIES),
    Case("pixel shuffle", lambda: nn.PixelShuffle(2)),
    Case("pixel unshuffle", lambda: nn.PixelUnshuffle(2)),
    Case("channel shuffle", lambda: nn.ChannelShuffle(4)),
    Case("channel shuffle spelled", Shuffle),
    Case("windows", Windows),
    # Arithmetic with constants
    *(
        Case(name, _of(function))
        for name, function in {
            "2 x + 1": lambda x: 2 * x + 1,
            "1 - x": lambda x: 1 - x,
            "x / 3": lambda x: x / 3,
            "2 / (1 + x^2)": lambda x: 2 / (1 + x**2),
            "2 ^ x": lambda x: 2**x,
            "x - alpha y": lambda x: torch.sub(x, x.flip(2), alpha=0.5),
            "add alpha": lambda x: torch.add(x, x.flip(2), alpha=0.5),
            "x // 0.5": lambda x: torch.div(x, 0.5, rounding_mode="floor"),
            "remainder": lambda x: torch.remainder(x, 0.7),
            "maximum": lambda x: torch.maximum(x, x.flip(3)),
            "x / y": lambda x: x / (2 + x.flip(3).abs()),
            "exp log sqrt": lambda x: torch.log1p(torch.sqrt(x.abs() + 1).exp()),
            "clamp": lambda x: x.clamp(-0.5, 0.25),
            "clamp min": lambda x: torch.clamp(x, min=0.1),
            "where": lambda x: torch.where(x > 0.2, x, -x),
            "in place": lambda x: x.mul_(2).add_(1).relu_(),
            "compare": lambda x: x * (x > 0.1),
            "masked fill": lambda x: x.masked_fill(x < 0, 0.5),
            "constant tensor": lambda x: x + torch.arange(10.0),
            "neg abs": lambda x: -x.abs(),
            "lerp": lambda x: torch.lerp(x, x.flip(2), 0.3),
            "addcmul": lambda x: torch.addcmul(x, x.flip(2), x, value=0.2),
            "cumsum": lambda x: x.cumsum(2),
            "roll": lambda x: torch.roll(x, (1, 2), (2, 3)),
            "flip": lambda x: x.flip((2, 3)),
            "triu": lambda x: x.triu(1),
        }.items()
    ),
    # Reductions
    *(
        Case(name, _of(function))
        for name, function in {
            "mean spatial": lambda x: x.mean((2, 3)),
            "mean kept": lambda x: x.mean((2, 3), keepdim=True),
            "mean channels": lambda x: x.mean(1),
            "sum": lambda x: x.sum((1, 2)),
            "amax": lambda x: x.amax((2, 3)),
            "max dim": lambda x: x.max(2).values,
            "amin": lambda x: x.amin(1, keepdim=True),
            "logsumexp": lambda x: x.logsumexp(1),
            "var": lambda x: x.var((2, 3), unbiased=False),
            "std": lambda x: x.std(1, keepdim=True),
            "norm": lambda x: x.norm(p=2, dim=1),
            "prod": lambda x: x.prod(3),
            "topk": lambda x: x.topk(3, dim=1).values,
            "sort": lambda x: x.sort(dim=2).values,
            "argmax": lambda x: x.argmax(1).float(),
        }.items()
    ),
    # Views, parts and joins
    *(
        Case(name, _of(function))
        for name, function in {
            "flatten": lambda x: x.flatten(2),
            "flatten middle": lambda x: x.flatten(1, 2),
            "permute": lambda x: x.permute(0, 2, 3, 1),
            "length first": lambda x: x.flatten(2).permute(2, 0, 1).mean(0),
            "unsqueeze squeeze": lambda x: x.unsqueeze(1).squeeze(1).unsqueeze(-1),
            "unsqueeze batch": lambda x: x.unsqueeze(0).mean(2).squeeze(0),
            "split": lambda x: torch.cat(x.split([3, 5], 1)[::-1], 1),
            "chunk": lambda x: x.chunk(2, 1)[1] * x.chunk(2, 1)[0],
            "slice": lambda x: x[:, 1:7:2, :-1, 3:],
            "select": lambda x: x[:, 2] + x[:, -1],
            "select last": lambda x: x[..., -1],
            "index with none": lambda x: x[:, None, 2],
            "fancy index": lambda x: x[:, [0, 3, 3]],
            "index select": lambda x: x.index_select(1, torch.tensor([2, 0])),
            "narrow": lambda x: x.narrow(2, 3, 4),
            "cat": lambda x: torch.cat([x, 2 * x], 2),
            "cat constant": lambda x: torch.cat([x, torch.ones(x.shape[0], 1, 12, 10)], 1),
            "stack": lambda x: torch.stack([x, x.flip(1)], 2),
            "repeat": lambda x: x.repeat(1, 2, 1, 3),
            "expand": lambda x: x.mean((2, 3), keepdim=True).expand(-1, -1, 4, 5),
            "repeat interleave": lambda x: x.repeat_interleave(2, 1),
            "write a part": lambda x: _write(x),
            "batch flattened": lambda x: x.view(-1, 12 * 10).view(-1, 8, 120),
            "outer product": lambda x: x.flatten(2) @ x.flatten(2).transpose(1, 2),
            "batch mean": lambda x: x - x.mean(0, keepdim=True),
            "spectrum": lambda x: torch.fft.fft2(x).abs() + torch.fft.fft2(x).conj().angle(),
            "half spectrum": lambda x: torch.fft.irfft2(torch.fft.rfft2(x, norm="ortho") * 2, s=(12, 10)),
            "dropout": lambda x: F.dropout(x, 0.5, training=False),
        }.items()
    ),
    # Attention
    Case("multi-head attention", SelfAttention, TOKENS),
    Case("multi-head no bias", lambda: SelfAttention(bias=False), TOKENS),
    Case("multi-head length first", lambda: SelfAttention(batch_first=False), TOKENS),
    Case("multi-head add bias kv", lambda: SelfAttention(add_bias_kv=True), TOKENS),
    Case("multi-head add zero", lambda: SelfAttention(add_zero_attn=True), TOKENS),
    Case("multi-head causal mask", lambda: SelfAttention(masked=True), TOKENS),
    Case("multi-head cross", CrossAttention, TOKENS),
    Case("sdpa", Heads, TOKENS),
    Case("sdpa causal", lambda: Heads(is_causal=True), TOKENS),
    Case("sdpa scale", lambda: Heads(scale=0.1), TOKENS),
    Case("spelled attention", lambda: SpelledAttention(0.5), TOKENS),
    Case("spelled attention other scale", lambda: SpelledAttention(0.2), TOKENS),
    Case("spelled attention bias", lambda: SpelledAttention(0.5, bias=True), TOKENS),
    Case(
        "encoder layer", lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), TOKENS
    ),
    Case("encoder layer length first", LengthFirst, TOKENS),
    # Recurrent layers
    *(
        Case(f"{kind.__name__} {bidirectional}", lambda k=kind, b=bidirectional: Recurrent(k, b), TOKENS)
        for kind in (nn.LSTM, nn.GRU, nn.RNN)
        for bidirectional in (False, True)
    ),
    # Parameters of a network's own
    Case("learned bias", lambda: Weighted((8, 1, 1), lambda x, w: x + w)),
    Case("learned scale", lambda: Weighted((8, 1, 1), lambda x, w: x * w)),
    Case("learned temperature", lambda: Weighted((1,), lambda x, w: x * w.exp())),
    Case("learned subtraction", lambda: Weighted((8, 1, 1), lambda x, w: w - x)),
    Case("position table", lambda: Weighted((1, 12, 8), lambda x, w: x + w), TOKENS),
    Case("part of a position table", lambda: Weighted((1, 20, 8), lambda x, w: x + w[:, 4:16]), TOKENS),
    Case(
        "class token",
        lambda: Weighted((1, 1, 8), lambda x, w: torch.cat([w.expand(len(x), -1, -1), x], 1)),
        TOKENS,
    ),
    Case(
        "class token behind",
        lambda: Weighted((1, 2, 8), lambda x, w: torch.cat([x, w.expand(len(x), 2, 8)], 1)),
        TOKENS,
    ),
    Case("fixed table", Buffered),
    Case("squeeze and excite", lambda: SqueezeExcite()),
    Case("squeeze and excite flat", lambda: SqueezeExcite(flat=True)),
)


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase], bidirectional: bool) -> None:
        super().__init__()
        self.layer = kind(8, 5, num_layers=2, batch_first=True, bidirectional=bidirectional)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


class SqueezeExcite(nn.Module):
    def __init__(self, flat: bool = False) -> None:
        super().__init__()
        self.flat = flat
        layer = (lambda i, o: nn.Linear(i, o)) if flat else (lambda i, o: nn.Conv2d(i, o, 1))
        self.down, self.up = layer(8, 3), layer(3, 8)

    def forward(self, x: Tensor) -> Tensor:
        gate = x.mean((2, 3), keepdim=not self.flat)
        gate = torch.sigmoid(self.up(F.relu(self.down(gate))))
        return x * (gate[:, :, None, None] if self.flat else gate)


def _write(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 2:4] = 0.5
    return y
