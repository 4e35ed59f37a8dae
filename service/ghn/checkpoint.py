"""GHN checkpoints: a folder with `weights.safetensors`, `config.json` and `card.json`. Nothing is ever
unpickled.

`import_reference` converts checkpoints of the published reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from service.ghn.reference_file import read_reference
from service.ghn.reference_names import our_configuration, our_tensors
from service.graph_io.torch_tracing.without_memory import WithoutMemory
from service.models.publish import write_model_folder
from service.models.torch_folder import filled, read_model_folder, reading_configuration

FORMAT = "weightcast-ghn-1"


def save_checkpoint(
    folder: Path, ghn: GHN, card: Mapping[str, Any], *, dtype: torch.dtype = torch.float32
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
    """A GHN-1, GHN-2 or GHN-3 from a checkpoint that its authors' code wrote (`reference_file`).

    Raises InvalidInput for anything else; an untrusted file never runs code.
    """
    values, state = read_reference(path)
    return _build(our_configuration(values, state, path.name), our_tensors(state, path.name), path.name)


def copy_to_cpu(ghn: GHN) -> GHN:
    """The same GHN on the CPU, in evaluation mode."""
    return _build(ghn.config, {name: value.cpu() for name, value in ghn.state_dict().items()}, "the copy")


def _build(config: GHNConfig, tensors: dict[str, Tensor], what: str) -> GHN:
    with WithoutMemory():
        ghn = GHN(config)
    return filled(ghn, tensors, what, assign=True)
