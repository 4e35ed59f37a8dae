"""What the published code of GHN-2 and GHN-3 calls things, and what they are here."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt

from torch import Tensor

from service.errors import InvalidInput
from service.ghn.config import GHNConfig
from service.ghn.decoder import MAP_CHANNELS
from service.kit.json_types import JsonObject

# Prefix of a parameter -> ours.
_BOTH = {
    "embed.": "primitive.",
    "shape_enc.embed_channel.": "shape_encoder.channel.",
    "shape_enc.embed_spatial.": "shape_encoder.spatial.",
    "ln.": "layer_norm.",
    "decoder.fc.0.": "decoder.spatial.",
    "decoder.conv.0.": "decoder.mix.",
    "decoder.conv.2.": "decoder.channels.",
    "decoder.class_layer_predictor.1.": "decoder.classifier.",
    "decoder_1d.fc.0.": "vector_decoder.first.",
    "decoder_1d.fc.2.": "vector_decoder.second.",
    "bias_class.1.": "vector_decoder.classifier.",
}
_GHN2 = {
    "gnn.mlp.fc.0.": "gnn.message.first.",
    "gnn.mlp.fc.2.": "gnn.message.second.",
    "gnn.mlp_ve.fc.0.": "gnn.message_virtual.first.",
    "gnn.mlp_ve.fc.2.": "gnn.message_virtual.second.",
    "gnn.gru.": "gnn.gru.",
    "gnn.fc.0.": "gnn.first.",
    "gnn.fc.2.": "gnn.second.",
}
# Of the first layer; files of the hub have the first three without it.
_GHN3_ONCE = {
    "centrality_embed_in.": "gnn.predecessors.",
    "centrality_embed_out.": "gnn.successors.",
    "input_dist_embed.": "gnn.from_input.",
    "attn.edge_embed.embed.": "gnn.pair_bias.path.",
    "attn.proj_e.0.": "gnn.pair_bias.first.",
    "attn.proj_e.2.": "gnn.pair_bias.second.",
}
_GHN3_LAYER = {
    "ln1.": "attention_norm.",
    "attn.to_qkv.": "qkv.",
    "attn.to_out.0.": "out.",
    "ln2.": "mlp_norm.",
    "ff.net.0.": "first.",
    "ff.net.3.": "second.",
}


def our_configuration(values: JsonObject | None, state: Mapping[str, Tensor], what: str) -> GHNConfig:
    """What a file is a checkpoint of. values: its configuration; None: the shapes of its tensors say it.

    Raises InvalidInput, naming what does not fit.
    """
    try:
        values = _from_shapes(state) if values is None else values
        out_channels, in_channels, height, width = values["max_shape"]
        if values["decoder"] != "conv" or out_channels != in_channels or height != width:
            raise InvalidInput(
                f"{what!r} has a decoder that is not supported: {values['decoder']!r}, {values['max_shape']}."
            )
        if values["hypernet"] not in ("gatedgnn", "mlp"):
            raise InvalidInput(f"{what!r} has the unknown hypernet {values['hypernet']!r}.")
        # GHN-3's own files name the GNN of GHN-2, and ignore it.
        is_transformer = any(name.startswith("gnn.0.attn.") for name in state)
        own = {"layers": values["layers"], "heads": values["heads"]} if is_transformer else {}
        return GHNConfig(
            hidden=values["hid"],
            max_channels=out_channels,
            max_kernel=height,
            num_classes=values["num_classes"],
            gnn="transformer" if is_transformer else "mlp" if values["hypernet"] == "mlp" else "gated",
            virtual_edge_cutoff=50 if values["ve"] else 1,
            layer_norm=values["layernorm"],
            normalize=values["weight_norm"],
            **own,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"The configuration of {what!r} is not one of the reference's: {error}") from error


def _from_shapes(state: Mapping[str, Tensor]) -> JsonObject:
    """The configuration of a state dict that comes alone. All published ones normalise what they predict."""
    hidden = state["embed.weight"].shape[1]
    is_transformer = any(name.startswith("gnn.0.attn.") for name in state)
    positions = state["decoder.fc.0.weight"].shape[0] // (4 * hidden if is_transformer else MAP_CHANNELS)
    most = isqrt(state["decoder.conv.2.weight"].shape[0])
    return {
        "hid": hidden,
        "max_shape": (most, most, isqrt(positions), isqrt(positions)),
        "num_classes": state["decoder.class_layer_predictor.1.weight"].shape[0],
        "hypernet": "mlp" if "gnn.fc.0.weight" in state else "gatedgnn",
        "decoder": "conv",
        "ve": is_transformer or any(name.startswith("gnn.mlp_ve.") for name in state),
        "layernorm": "ln.weight" in state,
        "weight_norm": True,
        "layers": sum(name.endswith(".ln1.weight") for name in state),
        "heads": state["gnn.0.attn.proj_e.2.weight"].shape[0] if is_transformer else 0,
    }


def our_tensors(state: Mapping[str, Tensor], what: str) -> dict[str, Tensor]:
    """Float32, under our names. Raises InvalidInput for a name that the published code does not have."""
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        ours = _our_name(name)
        if ours is None:
            raise InvalidInput(f"{what!r} has an unknown entry {name!r}.")
        # 1x1 convolutions are plain products here.
        plain = value.squeeze(-1).squeeze(-1) if value.ndim == 4 else value
        renamed[ours] = plain.float()
    return renamed


def _our_name(name: str) -> str | None:
    whole = _replaced(name, {**_BOTH, **_GHN2, **_GHN3_ONCE})
    if whole is not None:
        return whole
    gnn, layer, rest = (*name.split(".", 2), "", "")[:3]
    if gnn != "gnn" or not layer.isdecimal():
        return None
    inside = _replaced(rest, _GHN3_LAYER)
    if inside is not None:
        return f"gnn.layers.{layer}.{inside}"
    return _replaced(rest, _GHN3_ONCE) if layer == "0" else None


def _replaced(name: str, prefixes: Mapping[str, str]) -> str | None:
    prefix = max((prefix for prefix in prefixes if name.startswith(prefix)), key=len, default=None)
    return None if prefix is None else prefixes[prefix] + name[len(prefix) :]
