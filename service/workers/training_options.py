"""What a training job may name: options of a trainer, models of the catalogue, data in the data folder. A
request comes from another machine, so it never names a path of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from service.errors import InvalidRequest, UnknownModel
from service.models.catalog import find_card
from service.settings import Settings
from training.data.image_folder.names import BUILT_IN, data_source

Config = TypeVar("Config")


def read_options(
    options: Mapping[str, Any], settings: Settings, *, kind: str, forbidden: tuple[str, ...]
) -> dict[str, Any]:
    """The options with what they name looked up: `data` is what the trainer reads, `minutes` within the
    limit, `from_model` a model of the kind.

    forbidden: what a request may not set. Errors: InvalidRequest naming the field.
    """
    for field in forbidden:
        if field in options:
            raise InvalidRequest(f"a training job may not set {field!r}", field=f"/{field}")
    values = {**options, "data": data_set(str(options.get("data", "digits")), settings)}
    if values.get("from_model") is not None:
        _check_start(str(values["from_model"]), kind)
    if values.get("minutes") is not None:
        values["minutes"] = min(float(values["minutes"]), settings.training_max_minutes)
    return values


def check_budget(values: Mapping[str, Any]) -> None:
    """Errors: InvalidRequest without minutes and steps."""
    if values.get("minutes") is None and values.get("steps") is None:
        raise InvalidRequest("a training job needs a budget", field="/minutes", hint="give minutes or steps")


def configured(make: Callable[[dict[str, Any]], Config], values: dict[str, Any]) -> Config:
    """The trainer's configuration. Errors: InvalidRequest for options that it does not take."""
    try:
        return make(values)
    except (ValueError, TypeError) as error:
        raise InvalidRequest(f"the training options are not acceptable: {error}", field="") from None


def data_set(name: str, settings: Settings) -> str:
    """What the trainer reads: a data set it knows, or a folder or zip file of images inside the data folder,
    and none outside of it.
    """
    source = data_source(name, settings.data_dir)
    if source in BUILT_IN:
        return source
    place = Path(source).resolve()
    if settings.data_dir.resolve() in place.parents and place.exists():
        return str(place)
    raise InvalidRequest(
        f"there is no data set {name[:80]!r}",
        field="/data",
        hint="use digits, cifar10, or the name of a folder or zip file of images in WEIGHTCAST_DATA_DIR",
    )


def _check_start(name: str, kind: str) -> None:
    """Errors: InvalidRequest for what is no model of this kind."""
    try:
        found = find_card(name).kind
    except UnknownModel as error:
        raise InvalidRequest(
            f"there is no model {name[:80]!r} to start from", field="/from_model", **error.extra
        ) from None
    if found != kind:
        raise InvalidRequest(
            f"the model {name[:80]!r} is a {found}",
            field="/from_model",
            hint=f"name a model of the kind {kind}",
        )
