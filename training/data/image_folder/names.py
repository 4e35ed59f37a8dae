"""What a data set's name means: one that comes with Weightcast, or a folder or zip file."""

from __future__ import annotations

from pathlib import Path

from service.contract.options import BUILT_IN_DATA
from service.errors import InvalidInput, InvalidRequest
from training.data.image_folder.layout import layout_of
from training.data.image_folder.tree import open_tree

BUILT_IN = BUILT_IN_DATA


def data_source(name: str, within: Path) -> str:
    """What `load_dataset` is to read: the absolute path of a folder or file in `within`, else the name as it
    is. A folder of images that is called like a built-in data set is what is meant where it is there.
    """
    place = within / Path(name).expanduser()
    if name in BUILT_IN:
        return str(place.absolute()) if _holds_images(place) else name
    return str(place.absolute()) if place.exists() else name


def check_data(name: str, field: str = "/data") -> None:
    """Raises InvalidRequest for what is neither a built-in data set nor there; without reading any image."""
    if name not in BUILT_IN and not Path(name).expanduser().exists():
        raise unknown_data(name, field)


def unknown_data(name: str, field: str = "/data") -> InvalidRequest:
    return InvalidRequest(
        f"There is no data set {name!r}.",
        field=field,
        hint=f"Use {', '.join(BUILT_IN)}, or the path of a folder or zip file with one folder per class.",
    )


def _holds_images(place: Path) -> bool:
    try:
        tree = open_tree(place)
        return tree is not None and bool(layout_of(tree.top(), place.name).classes)
    except (InvalidInput, OSError):
        return False
