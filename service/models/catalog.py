"""The models there are: those in the package and those of the user. Reads cards; loads nothing.

A model is a folder with `config.json`, `weights.safetensors` and `card.json`; the folder's name is the
model's name. The package's own are in `service/models/`, the user's in `$WEIGHTCAST_HOME/models/`; a user's
model hides a shipped one of the same name.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from service.contract.kinds import model_kinds
from service.errors import InvalidInput, UnknownModel
from service.graph_io.fields import closest, shown
from service.kit.json_types import JsonObject
from service.settings import get_settings

SHIPPED_MODELS = Path(__file__).parent
CONFIG, WEIGHTS, CARD = "config.json", "weights.safetensors", "card.json"
MAX_CARD_BYTES = 2**20

# What ranks by a property where no predictor is named.
DEFAULT_PREDICTORS = {
    "accuracy": "ranker",
    "robustness": "deepnets-robustness",
    "latency": "latency-cpu",
    "convergence": "deepnets-convergence",
}

# Where another one was measured to be better (docs/ranking.md).
_SPACE_PREDICTORS = {("darts", "accuracy"): "deepnets-accuracy"}

logger = logging.getLogger(__name__)


def _known_kind(kind: str) -> str:
    if kind not in model_kinds():
        raise ValueError(f"models are of the kinds {', '.join(model_kinds())}")
    return kind


class TrainedData(BaseModel):
    """What a model was trained on: name of the data set, number and names of its classes. data_path: where
    its folder of images lay, on the machine that trained; never part of an answer.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    dataset: str | None = None
    num_classes: int | None = None
    classes: tuple[str, ...] | None = Field(default=None, exclude=True)
    data_path: str | None = Field(default=None, exclude=True)


class ModelCard(BaseModel):
    """What is known of a model.

    dataset, num_classes, classes, data_path: what it was trained on (`TrainedData`); None where that has no
    meaning, or is not known. also: of a GHN, a second data set that it has a classifier for.
    digest: sha256 over configuration and weights, 64 hexadecimal digits. A changed model is another model.
    unit: of the values that it predicts. training: how it was made. scores: what was measured, with which
    data and spread, as its maker wrote it. size: of its weights, in bytes.
    shipped: whether it is part of the package; the others are the user's, and can be changed. hides_shipped:
    whether it is the user's and has the name of a shipped one, which is not used as long as it is there.
    path: its folder, on the machine that reads this; never part of an answer.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    kind: Annotated[str, AfterValidator(_known_kind), Field(json_schema_extra={"enum": [*model_kinds()]})]
    dataset: str | None = None
    num_classes: int | None = None
    classes: tuple[str, ...] | None = Field(default=None, exclude=True)
    data_path: str | None = Field(default=None, exclude=True)
    also: TrainedData | None = None
    description: str = ""
    unit: str = ""
    digest: str
    training: JsonObject = Field(default_factory=dict)
    scores: JsonObject = Field(default_factory=dict)
    size: int = 0
    shipped: bool = False
    hides_shipped: bool = False
    path: Path = Field(exclude=True)

    @property
    def trained_data(self) -> tuple[TrainedData, ...]:
        """All data sets that it was trained on."""
        own = TrainedData(**{name: getattr(self, name) for name in TrainedData.model_fields})
        return (own,) if self.also is None else (own, self.also)


def model_folders() -> tuple[Path, ...]:
    """Where models are looked for, later ones first to be used."""
    return (SHIPPED_MODELS, get_settings().home / "models")


def list_cards(folders: Sequence[Path] | None = None) -> list[ModelCard]:
    """All models, by name. A folder whose card cannot be read is left out, with a warning in the log.

    folders: where to look instead of `model_folders()`.
    """
    cards = []
    for name, folder in sorted(_folders_by_name(folders).items()):
        try:
            cards.append(_read_card(name, folder))
        except InvalidInput as error:
            logger.warning("catalog.unreadable_model", extra={"model": name, "reason": error.detail})
    return cards


def find_card(name: str, folders: Sequence[Path] | None = None) -> ModelCard:
    """The card of one model.

    Raises UnknownModel, listing the models there are, or InvalidInput if its folder cannot be read.
    """
    if (folder := _folder_of(name, folders)) is not None:
        return _read_card(name, folder)
    by_name = _folders_by_name(folders)
    like = closest(name, by_name)
    available = sorted(by_name)
    raise UnknownModel(
        f"There is no model {shown(name)}.",
        model=name[:80],
        available=available,
        hint=f"Did you mean {like!r}?" if like else f"Available: {', '.join(available) or 'none'}.",
    )


def default_predictor(property: str | None, space: str | None = None) -> str:
    """The shipped predictor of a property; that of accuracy if `property` is None, or has none.

    space: of all architectures, where they are of one: there may be a better one for it.
    """
    measured = _SPACE_PREDICTORS.get((space or "", property or "accuracy"))
    return measured or DEFAULT_PREDICTORS.get(property or "", DEFAULT_PREDICTORS["accuracy"])


def _folder_of(name: str, folders: Sequence[Path] | None) -> Path | None:
    """The complete folder of this name that is used, None where there is none."""
    for parent in reversed(model_folders() if folders is None else folders):
        # Among the names that are there: a name from outside is no path, and letters of another case are
        # another name, also on disks that see no difference.
        if name in _names_in(parent) and _is_complete(parent / name):
            return parent / name
    return None


def _folders_by_name(folders: Sequence[Path] | None) -> dict[str, Path]:
    """Model name to folder, for every complete folder."""
    return {
        name: parent / name
        for parent in (model_folders() if folders is None else folders)
        for name in _names_in(parent)
        if _is_complete(parent / name)
    }


def _names_in(parent: Path) -> list[str]:
    try:
        names = os.listdir(parent)
    except (FileNotFoundError, NotADirectoryError):
        return []
    # A model that is being published, or whose publishing was killed, begins with a dot.
    return [name for name in names if not name.startswith(".")]


def _is_complete(folder: Path) -> bool:
    return all(os.path.isfile(folder / file) for file in (CONFIG, WEIGHTS, CARD))


def _read_card(name: str, folder: Path) -> ModelCard:
    try:
        with open(folder / CARD, "rb") as file:
            document = json.loads(file.read(MAX_CARD_BYTES))
        if not isinstance(document, dict):
            raise InvalidInput(f"The card of model {name!r} is not a JSON object.", model=name)
        size, shipped = (folder / WEIGHTS).stat().st_size, folder.parent == SHIPPED_MODELS
        facts = {
            "digest": _model_digest(folder), "path": folder, "size": size, "shipped": shipped,
            "hides_shipped": not shipped and _is_complete(SHIPPED_MODELS / name),
        }  # fmt: skip
        described = {**document, "name": name, **facts}
        return ModelCard.model_validate(described)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, item["loc"])) for item in error.errors())
        raise InvalidInput(f"The card of model {name!r} is not valid: {fields}.", model=name) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(f"The card of model {name!r} cannot be read.", model=name) from error


# (path, modification time, size) -> digest. A file that is replaced gets a new time or size.
_digests: dict[tuple[str, int, int], str] = {}


def _model_digest(folder: Path) -> str:
    parts = ":".join(_file_digest(folder / file) for file in (CONFIG, WEIGHTS))
    return hashlib.sha256(parts.encode()).hexdigest()


def _file_digest(path: Path) -> str:
    state = path.stat()
    key = (str(path), state.st_mtime_ns, state.st_size)
    if key not in _digests:
        with open(path, "rb") as file:
            _digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _digests[key]
