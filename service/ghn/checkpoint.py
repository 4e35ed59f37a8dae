"""GHN checkpoints: a folder with `weights.safetensors`, `config.json` and `card.json`. Nothing is ever
unpickled.

`import_reference` converts the published reference's torch files, read with weights_only=True.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from service.catalog import write_model_folder
from service.errors import InvalidInput
from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from service.ghn.model_folder import filled, read_model_folder, reading_configuration

FORMAT = "weightcast-ghn-1"

# Reference parameter prefix -> ours, apart from the GNN's.
_REFERENCE_PREFIXES = {
    "embed.": "primitive.",
    "shape_enc.embed_channel.": "shape_encoder.channel.",
    "shape_enc.embed_spatial.": "shape_encoder.spatial.",
    "gnn.mlp.fc.0.": "gnn.message.first.",
    "gnn.mlp.fc.2.": "gnn.message.second.",
    "gnn.mlp_ve.fc.0.": "gnn.message_virtual.first.",
    "gnn.mlp_ve.fc.2.": "gnn.message_virtual.second.",
    "gnn.gru.": "gnn.gru.",
    "gnn.fc.0.": "gnn.first.",
    "gnn.fc.2.": "gnn.second.",
    "ln.": "layer_norm.",
    "decoder.fc.0.": "decoder.spatial.",
    "decoder.conv.0.": "decoder.mix.",
    "decoder.conv.2.": "decoder.channels.",
    "decoder.class_layer_predictor.1.": "decoder.classifier.",
    "decoder_1d.fc.0.": "vector_decoder.first.",
    "decoder_1d.fc.2.": "vector_decoder.second.",
    "bias_class.1.": "vector_decoder.classifier.",
}


def save_checkpoint(
    folder: Path, ghn: GHN, card: dict[str, Any], *, dtype: torch.dtype = torch.float32
) -> None:
    """Write a model folder. `card` is the model card: name, kind, dataset, training record, measured scores.

    dtype: storage type of the weights; float16 halves the file, and loading returns to float32.
    """
    tensors = {name: value.detach().to("cpu", dtype).contiguous() for name, value in ghn.state_dict().items()}
    config = {"format": FORMAT, "ghn": ghn.config.to_dict()}
    write_model_folder(folder, lambda path: save_file(tensors, path), config, card)


def load_checkpoint(folder: Path) -> GHN:
    """A GHN in evaluation mode, float32. Raises InvalidInput when the folder does not hold one."""
    document, tensors = read_model_folder(folder, FORMAT, "GHN checkpoint")
    with reading_configuration(folder.name):
        config = GHNConfig.from_dict(document["ghn"])
    # Copies: tensors of a file lie at any address, and what a matrix product gives depends on the alignment.
    copies = {name: value.to(torch.float32, copy=True) for name, value in tensors.items()}
    return _build(config, copies, folder.name)


def import_reference(path: Path) -> GHN:
    """A GHN from a checkpoint file of the published reference implementation: {"config", "state_dict",
    "epoch"}.

    Raises InvalidInput for anything else; an untrusted file never runs code.
    """
    try:
        document = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise InvalidInput(
            f"{path.name!r} is not a readable torch checkpoint: {str(error).splitlines()[0]}"
        ) from error
    if not isinstance(document, dict) or not {"config", "state_dict"} <= document.keys():
        raise InvalidInput(
            f"{path.name!r} is not a reference checkpoint.",
            hint='It must hold a dictionary with "config" and "state_dict".',
        )
    return _build(
        _reference_config(document["config"], path.name),
        _rename(document["state_dict"], path.name),
        path.name,
    )


def copy_to_cpu(ghn: GHN) -> GHN:
    """The same GHN on the CPU, in evaluation mode."""
    return _build(ghn.config, {name: value.cpu() for name, value in ghn.state_dict().items()}, "the copy")


def _reference_config(values: dict[str, Any], what: str) -> GHNConfig:
    try:
        out_channels, in_channels, height, width = values["max_shape"]
        if values["decoder"] != "conv" or out_channels != in_channels or height != width:
            raise InvalidInput(
                f"{what!r} has a decoder that is not supported: {values['decoder']!r}, {values['max_shape']}."
            )
        if values["hypernet"] not in ("gatedgnn", "mlp"):
            raise InvalidInput(f"{what!r} has the unknown hypernet {values['hypernet']!r}.")
        return GHNConfig(
            hidden=values["hid"],
            max_channels=out_channels,
            max_kernel=height,
            num_classes=values["num_classes"],
            gnn="mlp" if values["hypernet"] == "mlp" else "gated",
            virtual_edge_cutoff=50 if values["ve"] else 1,
            layer_norm=values["layernorm"],
            normalize=values["weight_norm"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"The configuration of {what!r} is not one of the reference's: {error}") from error


def _rename(state: dict[str, Tensor], what: str) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        prefix = max((p for p in _REFERENCE_PREFIXES if name.startswith(p)), key=len, default=None)
        if prefix is None or not isinstance(value, Tensor):
            raise InvalidInput(f"{what!r} has an unknown entry {name!r}.")
        # 1x1 convolutions are plain products here.
        plain = value.squeeze(-1).squeeze(-1) if value.ndim == 4 else value
        renamed[_REFERENCE_PREFIXES[prefix] + name[len(prefix) :]] = plain.float()
    return renamed


def _build(config: GHNConfig, tensors: dict[str, Tensor], what: str) -> GHN:
    with torch.device("meta"):
        ghn = GHN(config)
    return filled(ghn, tensors, what, assign=True)
