"""Folders that are named after parts of a data set: training, validation, test."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal

from service.errors import InvalidInput
from training.data.image_folder.tree import Folder

Part = Literal["train", "validation", "test"]

_NAMES: dict[Part, tuple[str, ...]] = {
    "train": ("train", "training", "trainval"),
    "validation": ("val", "valid", "validation", "dev", "eval"),
    "test": ("test", "testing"),
}
_PART_OF: dict[str, Part] = {name: part for part, names in _NAMES.items() for name in names}
_WORD = re.compile(rf"({'|'.join(_PART_OF)})(set|data|images?|imgs?)?")


def is_part(name: str) -> bool:
    """Whether it is the name of a part, and of nothing else."""
    return name.casefold() in _PART_OF


def part_folders(top: Folder, place: str) -> dict[Part, Folder]:
    """Folders that are named after parts, if there is one for training: `train/` and `test/`, or with the
    same words beside (`seg_train/` and `seg_test/`, `Training Data/` and `Testing Data/`). None where classes
    lie at the top. A class may be called "train" too: its folder has no folders.

    place: what to call the folder in errors. Raises InvalidInput for a part under two names.
    """
    by_rest: dict[tuple[str, ...], dict[Part, Folder]] = {}
    for name, folder in top.folders.items():
        split = _part_and_rest(name)
        if split is None or not folder.folders:
            continue
        part, rest = split
        named = by_rest.setdefault(rest, {})
        if part in named:
            raise InvalidInput(
                f"{place} has both {named[part].path.name}/ and {name}/.",
                field="/data",
                hint=f"Keep one folder for the part {part!r}.",
            )
        named[part] = folder
    for rest, named in sorted(by_rest.items()):
        if "train" in named and (len(named) > 1 or not rest):
            return {part: named[part] for part in _NAMES if part in named}
    _check_training(top, place)
    return {}


def parts_below_classes(top: Folder) -> dict[Part, Folder]:
    """The parts where each class has them (`cat/train/`, `cat/test/`, `dog/train/`, ...), as folders that lie
    nowhere: their folders are the classes.
    """
    below: dict[Part, dict[str, Folder]] = {}
    for name, folder in top.folders.items():
        parts = {part: folder.folders[inner] for inner in folder.folders if (part := _exact(inner))}
        if folder.files or "train" not in parts or len(parts) != len(folder.folders) or len(parts) < 2:
            return {}
        for part, inner_folder in parts.items():
            below.setdefault(part, {})[name] = inner_folder
    return {part: Folder(PurePosixPath(part), folders=below[part]) for part in _NAMES if part in below}


def _exact(name: str) -> Part | None:
    return _PART_OF.get(name.casefold())


def _part_and_rest(name: str) -> tuple[Part, tuple[str, ...]] | None:
    """The part that a name says, and its other words; None where no word says one, or several do."""
    words = [word for word in re.split(r"[\W_]+", name.casefold()) if word]
    matches = [(word, match) for word in words if (match := _WORD.fullmatch(word))]
    if len(matches) != 1:
        return None
    (word, match) = matches[0]
    rest = [match.group(2) or "" if other is word else other for other in words]
    return _PART_OF[match.group(1)], tuple(other for other in rest if other)


def _check_training(top: Folder, place: str) -> None:
    """Raises InvalidInput for parts without one for training, or whose images lie in no class."""
    if not top.folders or not all(map(is_part, top.folders)):
        return
    without = [name for name in top.folders if _exact(name) == "train"]
    raise InvalidInput(
        f"{place}/{without[0]} has no folder for each class."
        if without
        else f"{place} has {' and '.join(f'{name}/' for name in top.folders)}, and no train/.",
        field="/data",
        hint="Below train/, put the images of each class into a sub-folder of its own.",
    )
