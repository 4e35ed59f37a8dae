"""Checkpoints as the authors of GHN-2 and GHN-3 write them, with random weights."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor


def ghn3_state(
    width: int, layers: int, heads: int, most: int, size: int, classes: int, *, hub: bool
) -> OrderedDict[str, Tensor]:
    """hub: with the tables of centrality where files of the hub have them."""
    shapes: dict[str, tuple[int, ...]] = {"embed.weight": (15, width)}
    shapes |= {"shape_enc.embed_spatial.weight": (9 if size == 11 else 11, width // 4)}
    shapes |= {"shape_enc.embed_channel.weight": (392, width // 4)}
    shapes |= {"ln.weight": (width,), "ln.bias": (width,)}
    once = "" if hub else "gnn.0."
    shapes |= {f"{once}centrality_embed_{way}.weight": (101, width) for way in ("in", "out")}
    shapes |= {f"{once}input_dist_embed.weight": (1001, width)}
    shapes |= {"gnn.0.attn.edge_embed.embed.weight": (257, width)}
    shapes |= _linear("gnn.0.attn.proj_e.0", width, 2 * width) | _linear("gnn.0.attn.proj_e.2", heads, width)
    for index in range(layers):
        layer = f"gnn.{index}"
        shapes |= {f"{layer}.ln{n}.{part}": (width,) for n in (1, 2) for part in ("weight", "bias")}
        shapes |= {f"{layer}.attn.to_qkv.weight": (3 * width, width)}
        shapes |= _linear(f"{layer}.attn.to_out.0", width, width)
        shapes |= _linear(f"{layer}.ff.net.0", 4 * width, width)
        shapes |= _linear(f"{layer}.ff.net.3", width, 4 * width)
    shapes |= _linear("decoder.fc.0", 4 * width * size**2, width)
    shapes |= _linear("decoder.conv.0", 8 * width, 4 * width) | _linear("decoder.conv.2", most**2, 8 * width)
    shapes |= _linear("decoder.class_layer_predictor.1", classes, most) | _linear(
        "bias_class.1", classes, most
    )
    shapes |= _linear("decoder_1d.fc.0", 2 * width, width) | _linear("decoder_1d.fc.2", 2 * most, 2 * width)
    return _random(shapes)


def ghn2_state(classes: int = 10) -> OrderedDict[str, Tensor]:
    """ppuda keeps 1x1 convolutions as such."""
    shapes: dict[str, tuple[int, ...]] = {"embed.weight": (15, 32), "ln.weight": (32,), "ln.bias": (32,)}
    shapes |= {"shape_enc.embed_spatial.weight": (9, 8), "shape_enc.embed_channel.weight": (392, 8)}
    for mlp in ("mlp", "mlp_ve"):
        shapes |= _linear(f"gnn.{mlp}.fc.0", 16, 32) | _linear(f"gnn.{mlp}.fc.2", 32, 16)
    shapes |= {f"gnn.gru.weight_{part}": (96, 32) for part in ("ih", "hh")}
    shapes |= {f"gnn.gru.bias_{part}": (96,) for part in ("ih", "hh")}
    shapes |= _linear("decoder.fc.0", 128 * 121, 32)
    shapes |= {"decoder.conv.0.weight": (256, 128, 1, 1), "decoder.conv.0.bias": (256,)}
    shapes |= {"decoder.conv.2.weight": (4096, 256, 1, 1), "decoder.conv.2.bias": (4096,)}
    shapes |= {"decoder.class_layer_predictor.1.weight": (classes, 64, 1, 1)}
    shapes |= {"decoder.class_layer_predictor.1.bias": (classes,)}
    shapes |= _linear("decoder_1d.fc.0", 64, 32) | _linear("decoder_1d.fc.2", 128, 64)
    shapes |= _linear("bias_class.1", classes, 64)
    return _random(shapes)


def ghn3_config(width: int, layers: int, heads: int, most: int, size: int, classes: int) -> dict[str, Any]:
    return {
        "max_shape": (most, most, size, size), "num_classes": classes, "hypernet": "gatedgnn",
        "decoder": "conv", "weight_norm": True, "ve": True, "layernorm": True, "hid": width,
        "layers": layers, "heads": heads, "is_ghn2": False,
    }  # fmt: skip


def _linear(name: str, out: int, inp: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, inp), f"{name}.bias": (out,)}


def _random(shapes: dict[str, tuple[int, ...]]) -> OrderedDict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return OrderedDict(
        (name, 0.2 * torch.randn(shape, generator=generator)) for name, shape in shapes.items()
    )
