"""The models of torchvision by name, built without memory."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from service.errors import InvalidArchitecture
from service.graph_io.torch_tracing.inputs import BATCH
from service.graph_io.torch_tracing.recorder import META
from service.graph_io.torch_tracing.without_memory import WithoutMemory
from service.graph_io.torchvision_names import unknown_name

_INCEPTION_SIDE = 299
_IMAGE_SIDE = 224
_VIDEO_SHAPE = (3, 16, 224, 224)


def build(name: str, *, num_classes: int | None, image_size: int | None) -> tuple[nn.Module, Any]:
    """A model without values for its parameters, and an example of its input (meta tensors, batch axis
    included).

    Raises InvalidArchitecture for a name that torchvision does not have, naming those that look like it,
    and for a size that the model cannot take.
    """
    from torchvision import models

    known = models.list_models()
    if name not in known:
        raise unknown_name(name, known)
    if num_classes is not None and not 1 <= num_classes <= 2**20:
        raise InvalidArchitecture(f"num_classes is {num_classes}; it must be 1 to {2**20}.", node=name)
    side = image_size or (_INCEPTION_SIDE if name == "inception_v3" else _IMAGE_SIDE)
    if not 1 <= side <= 4096:
        raise InvalidArchitecture(f"image_size is {side}; it must be 1 to 4096.", node=name)
    options = _options(name, inspect.signature(models.get_model_builder(name)), num_classes, image_size)
    try:
        with WithoutMemory():
            model = models.get_model(name, weights=None, **options)
    except (ValueError, TypeError, RuntimeError, AssertionError) as failure:
        raise InvalidArchitecture(f"torchvision refuses to build {name}: {failure}.", node=name) from failure
    return model, _example(models.get_model_builder(name).__module__, side)


def _options(
    name: str, signature: inspect.Signature, num_classes: int | None, image_size: int | None
) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if num_classes is not None:
        options["num_classes"] = num_classes
    if "weights_backbone" in signature.parameters:
        # Its default downloads weights.
        options["weights_backbone"] = None
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False
    if image_size is not None and name.startswith("vit_"):
        options["image_size"] = image_size
    if image_size is not None and name.startswith("maxvit"):
        options["input_size"] = (image_size, image_size)
    return options


def _example(module: str, side: int) -> Any:
    if ".video" in module:
        return torch.empty((BATCH, *_VIDEO_SHAPE), device=META)
    if ".detection" in module:
        return ([torch.empty((3, side, side), device=META)],)
    if ".optical_flow" in module:
        return tuple(torch.empty((BATCH, 3, 128, 128), device=META) for _ in range(2))
    return torch.empty((BATCH, 3, side, side), device=META)
