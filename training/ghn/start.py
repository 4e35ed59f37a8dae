"""Where a run starts from: random weights, a model, or another run.

A model's decoders, GNN and embeddings are taken over; what depends on the classes of a data set is made new
where the model knows none of so many classes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from service.errors import InvalidRequest, UnknownModel
from service.ghn.checkpoint import load_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from service.ghn.shape_encoder import channel_index, channel_vocabulary
from service.models.catalog import find_card
from training.loop.run_folder import RunFolder, part

# What is made for the classes. The table of channels has a row for the number of classes.
_CLASSIFIERS = ("decoder.classifier.", "vector_decoder.classifier.")
_CHANNELS = "shape_encoder.channel.weight"
CLASSIFIER_BIAS = "ghn.vector_decoder.classifier.bias"
_CLASS_FIELDS = ("num_classes", "more_classes")


@dataclass(frozen=True)
class Start:
    """tensors: by the names of a checkpoint (`training.ghn.learned`); those of the optimizer are there for a
    run alone. networks, images: how many the weights have seen, so that a run goes on with others.
    origin: for the card.
    """

    config: GHNConfig
    tensors: dict[str, Tensor] = field(default_factory=dict)
    networks: int = 0
    images: int = 0
    origin: dict[str, Any] | None = None


def start_of(source: str | None, fields: dict[str, Any], class_counts: Sequence[int]) -> Start:
    """source: name of a model, or the folder of a model or of a run; None: random weights. fields: of
    GHNConfig, as the user set them. class_counts: of each data set.

    Raises UnknownModel, InvalidInput for a folder that cannot be read, InvalidRequest for a field that the
    source has otherwise.
    """
    if source is None:
        return Start(_with_classes(fields, class_counts))
    start = _read(source)
    for name, value in fields.items():
        if name not in _CLASS_FIELDS and getattr(start.config, name) != value:
            raise InvalidRequest(
                f"{source} has {name} = {getattr(start.config, name)!r}, not {value!r}.",
                field=f"/ghn/{name}",
                hint="A run that starts from a model keeps its configuration: leave `ghn` out.",
            )
    return start if start.config.class_counts == tuple(class_counts) else _for_classes(start, class_counts)


def run_config(
    fields: Mapping[str, Any], tensors: Mapping[str, Tensor], state: Mapping[str, Any]
) -> GHNConfig:
    """Of a run's GHN. fields: of the run's configuration; tensors, state: of a checkpoint, which says the
    classes of each data set unless it is from before there could be several.
    """
    return _with_classes(fields, state.get("class_counts") or [len(tensors[CLASSIFIER_BIAS])])


def _with_classes(fields: Mapping[str, Any], class_counts: Sequence[int]) -> GHNConfig:
    first, *more = class_counts
    return GHNConfig(**{**fields, "num_classes": first, "more_classes": tuple(more)})


def _read(source: str) -> Start:
    try:
        card = find_card(source)
    except UnknownModel:
        folder = Path(source)
        if not folder.is_dir():
            raise
        return _of_run(folder) if RunFolder.is_run(folder) else _of_model(folder, {"name": folder.name})
    if card.kind != "ghn":
        raise UnknownModel(f"{source!r} is a {card.kind}, not a GHN.", model=source, hint="Name a GHN.")
    return _of_model(card.path, {"name": card.name, "digest": card.digest, **card.training})


def _of_model(folder: Path, known: dict[str, Any]) -> Start:
    ghn = load_checkpoint(folder)
    kept = ("name", "digest", "steps", "minutes", "networks", "images", "from")
    origin = {key: known[key] for key in kept if key in known}
    tensors = {
        f"{kind}.{name}": value for name, value in ghn.state_dict().items() for kind in ("ghn", "average")
    }
    return Start(ghn.config, tensors, int(known.get("networks", 0)), int(known.get("images", 0)), origin)


def _of_run(folder: Path) -> Start:
    checkpoint = RunFolder(folder).load()
    config = json.loads((folder / "config.json").read_text())
    if checkpoint is None:
        raise InvalidRequest(f"The run {folder.name} has no checkpoint yet.", field="/from_model")
    tensors, state = checkpoint

    origin = {
        "name": config["name"],
        "steps": state["step"],
        "minutes": round(state["seconds"] / 60, 1),
        "networks": state["networks_seen"],
        "images": state["images_seen"],
    }
    if state.get("origin"):
        origin["from"] = state["origin"]
    return Start(
        run_config(config["ghn"], tensors, state),
        tensors,
        state.get("networks_before", 0) + state["networks_seen"],
        state.get("images_before", 0) + state["images_seen"],
        origin,
    )


def _for_classes(start: Start, class_counts: Sequence[int]) -> Start:
    """The same GHN for other classes: the decoders of classifiers that it does not have are new, and so is
    the optimizer.
    """
    config = _with_classes(start.config.to_dict(), class_counts)
    fresh = GHN(config).state_dict()
    tensors = {}
    for kind in ("ghn.", "average."):
        known = part(start.tensors, kind)
        for name, value in fresh.items():
            if name == _CHANNELS:
                value = _channels(known[name], start.config.num_classes, config.num_classes)
            elif name.startswith(_CLASSIFIERS):
                value = _classifiers(value, known[name], config, start.config)
            else:
                value = known[name]
            tensors[kind + name] = value
    return replace(start, config=config, tensors=tensors)


def _classifiers(fresh: Tensor, known: Tensor, now: GHNConfig, before: GHNConfig) -> Tensor:
    rows = fresh.clone()
    for count in set(now.class_counts) & set(before.class_counts):
        rows[now.class_rows(count)] = known[before.class_rows(count)]
    return rows


def _channels(table: Tensor, before: int, now: int) -> Tensor:
    """Rows of the channel table for another number of classes: each from the nearest number of channels."""
    rows = [channel_index(value, before) for value in channel_vocabulary(now)]
    return table[torch.tensor([*rows, len(table) - 1])].clone()
