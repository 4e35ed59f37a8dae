"""The input that a module wants, when nobody says: from what the module tells about itself, then from its
first layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from service.graph_io.torch_tracing.exported import exported_calls
from service.graph_io.torch_tracing.nested import map_tensors, tensors_in

# The batch that every network is tried with. Without memory its size costs nothing, and a prime that no
# layer has for its own sizes shows which axis of a reshaped tensor the batch is.
BATCH = 97
# The batch of a run that computes.
_FEW = 2
_IMAGE_SIDES = (224, 32, 28, 64, 96, 128, 299, 256, 384, 512, 48, 84, 112, 16)
_SERIES_LENGTHS = (1024, 128, 4096, 16000, 256, 512, 64, 100, 32, 16)
_VOLUMES = (
    (16, 112, 112),
    (8, 224, 224),
    (16, 224, 224),
    (32, 32, 32),
    (64, 64, 64),
    (16, 16, 16),
    (96, 96, 96),
)
_TOKENS = (64, 16, 128, 256, 512)
_INCEPTION_SIDE = 299


@dataclass(frozen=True, slots=True)
class Example:
    """shape: without the batch axis. integers: it holds indices of a look-up table."""

    shape: tuple[int, ...]
    integers: bool = False

    def tensor(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        return torch.zeros((BATCH, *self.shape), dtype=torch.int64 if self.integers else dtype, device=device)


def with_values(example: Any, device: torch.device) -> Any:
    """The example with numbers: its own, or, where it has none, random ones on the given device (indices: 1,
    as 0 often stands for nothing). An example of our own loses its large batch, which takes time here.
    """
    generator = torch.Generator().manual_seed(0)

    def filled(tensor: Tensor) -> Tensor:
        if tensor.device.type != "meta":
            return tensor.detach().clone().requires_grad_(tensor.requires_grad)
        shape = tuple(tensor.shape)
        if shape[:1] == (BATCH,):
            shape = (_FEW, *shape[1:])
        if tensor.is_floating_point() or tensor.is_complex():
            numbers = torch.randn(shape, generator=generator, dtype=_drawable(tensor.dtype))
        else:
            numbers = torch.ones(shape)
        return numbers.to(device, tensor.dtype)

    return map_tensors(example, filled)


def _drawable(dtype: torch.dtype) -> torch.dtype:
    return torch.complex64 if dtype.is_complex else torch.float32


def floating_dtype(model: nn.Module) -> torch.dtype:
    """The number format of the module's parameters."""
    return next((p.dtype for p in model.parameters() if p.dtype.is_floating_point), torch.get_default_dtype())


def candidates(model: nn.Module, shape: Sequence[int] | None, device: torch.device) -> Iterator[Any]:
    """What to call a module with, the likeliest first; each once. shape: of its input, without the batch
    axis; None if nobody says.
    """
    size = None if shape is None else tuple(int(side) for side in shape)
    for arguments in exported_calls(model, BATCH):
        first = next(tensors_in(arguments), None)
        if size is None or (first is not None and tuple(first.shape[1:]) == size):
            yield arguments
    examples = chain(_declared(model), _from_layers(model)) if size is None else _of_shape(model, size)
    dtype = floating_dtype(model)
    for example in dict.fromkeys(examples):
        yield example.tensor(device, dtype)


def _of_shape(model: nn.Module, size: tuple[int, ...]) -> Iterator[Example]:
    """Floating point numbers, then indices if the module looks anything up."""
    yield Example(size)
    if any(isinstance(module, (nn.Embedding, nn.EmbeddingBag)) for module in model.modules()):
        yield Example(size, integers=True)


def _declared(model: nn.Module) -> Iterator[Example]:
    """What the module says: timm's and torchvision's attributes."""
    config = getattr(model, "default_cfg", None) or getattr(model, "pretrained_cfg", None)
    size = config.get("input_size") if isinstance(config, dict) else None
    channels = size[0] if size else _image_channels(model)
    # The size that a vision transformer was built for wins over what its kind has by default.
    for owner in (getattr(model, "patch_embed", None), model):
        for attribute in ("img_size", "image_size", "input_resolution"):
            side = getattr(owner, attribute, None)
            if isinstance(side, int) and 0 < side <= 4096:
                yield Example((channels, side, side))
            elif isinstance(side, (tuple, list)) and len(side) == 2 and all(isinstance(s, int) for s in side):
                yield Example((channels, *side))
    if size:
        first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
        yield Example(
            (first.in_channels if first is not None and first.in_channels <= 4 else size[0], *size[1:])
        )
    if hasattr(model, "AuxLogits") and hasattr(model, "transform_input"):
        yield Example((channels, _INCEPTION_SIDE, _INCEPTION_SIDE))


def _image_channels(model: nn.Module) -> int:
    return next((m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d)), 3)


def _from_layers(model: nn.Module) -> Iterator[Example]:
    """From the layers that tell what they read, in the order in which the module names them, each kind
    once.
    """
    kinds: set[type] = set()
    for module in model.modules():
        kind = next((kind for kind in _LAYERS if isinstance(module, kind)), None)
        if kind is not None and kind not in kinds:
            kinds.add(kind)
            yield from _LAYERS[kind](module)


def _images(channels: int) -> Iterator[Example]:
    return (Example((channels, side, side)) for side in _IMAGE_SIDES)


def _series(channels: int) -> Iterator[Example]:
    return (Example((channels, length)) for length in _SERIES_LENGTHS)


def _volumes(channels: int) -> Iterator[Example]:
    return (Example((channels, *volume)) for volume in _VOLUMES)


def _vectors(features: int) -> Iterator[Example]:
    yield Example((features,))
    yield from (Example((length, features)) for length in _TOKENS)


def _sequences(features: int) -> Iterator[Example]:
    yield from (Example((length, features)) for length in _TOKENS)
    yield Example((features,))


def _last(shape: Any) -> int:
    return int(shape[-1]) if isinstance(shape, (tuple, list)) else int(shape)


_LAYERS: dict[type[nn.Module], Any] = {
    nn.Conv2d: lambda m: _images(m.in_channels),
    nn.ConvTranspose2d: lambda m: (
        *_vectors(m.in_channels),
        *(Example((m.in_channels, s, s)) for s in (1, 4, 8, 16, 32)),
    ),
    nn.Conv1d: lambda m: _series(m.in_channels),
    nn.Conv3d: lambda m: _volumes(m.in_channels),
    nn.Embedding: lambda m: (Example((length,), integers=True) for length in _TOKENS),
    nn.EmbeddingBag: lambda m: (Example((length,), integers=True) for length in _TOKENS),
    nn.RNNCellBase: lambda m: _vectors(m.input_size),
    nn.RNNBase: lambda m: _sequences(m.input_size),
    nn.MultiheadAttention: lambda m: _sequences(m.embed_dim),
    nn.Linear: lambda m: _vectors(m.in_features),
    nn.LayerNorm: lambda m: _sequences(_last(m.normalized_shape)),
    nn.BatchNorm1d: lambda m: _vectors(m.num_features),
    nn.BatchNorm2d: lambda m: _images(m.num_features),
    nn.LazyLinear: lambda m: iter(()),
}
