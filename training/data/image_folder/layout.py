"""Which files of a folder are images of which class and of which part (training, validation, test).

One sub-folder a class, at the top or below folders that are named after parts. Classes are sub-folders in the
order of their names, images lie at any depth below, as torchvision's `ImageFolder` has it.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

from service.errors import InvalidInput
from training.data.image_folder.parts import Part, is_part, part_folders, parts_below_classes
from training.data.image_folder.tree import Folder

# torchvision's, and what browsers, telephones and microscopes write besides. A file without an ending may be
# an image too.
IMAGE_ENDINGS = frozenset(
    ".jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp "  # torchvision.datasets.folder.IMG_EXTENSIONS
    ".jpe .jfif .gif .apng .pbm .pnm .avif .heic .heif .jp2 .mpo".split()
)
_FEW = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """label: number of its class."""

    path: PurePosixPath
    label: int


@dataclass(frozen=True, slots=True)
class Layout:
    """folders: those that parts lie in, by part; none where classes lie at the top, and all is "train".
    samples: by part. empty: class folders without an image, with what lies in them.
    left_out: by why, names of what is not used.
    """

    classes: tuple[str, ...]
    folders: dict[Part, str]
    samples: dict[Part, tuple[Sample, ...]]
    empty: dict[str, str]
    left_out: dict[str, list[str]]


def layout_of(top: Folder, place: str) -> Layout:
    """place: what to call the folder in errors. Raises InvalidInput for what has no classes, or the same part
    under two names.
    """
    left_out: dict[str, list[str]] = {}
    top = _innermost(top)
    for folder in top.walk():
        if folder.hidden:
            left_out.setdefault("hidden", []).extend(str(folder.path / name) for name in folder.hidden)
    parts = part_folders(top, place)
    beside = [name for name in top.folders if parts and top.folders[name] not in parts.values()]
    parts = _opened(parts) or parts_below_classes(top)
    roots = parts or {"train": top}
    if beside:
        why = f"beside {roots['train'].path.name}/"
        left_out[why] = [f"{top.path / name}/" for name in beside]
    for root in {id(folder): folder for folder in (top, *roots.values())}.values():
        loose = [str(root.path / name) for name in root.files]
        if loose:
            left_out.setdefault("in no class's folder", []).extend(loose)

    train = roots["train"]
    folder_of = _by_class(train)
    images = {name: _images(folder_of[name], left_out) for name in sorted(folder_of)}
    classes = tuple(name for name, paths in images.items() if paths)
    empty = {name: _content(folder_of[name]) for name, paths in images.items() if not paths}
    if len(classes) < 2:
        raise InvalidInput(
            f"{place} has {len(classes)} {'class' if len(classes) == 1 else 'classes'} with images"
            + (f" ({classes[0]})." if classes else "."),
            field="/data",
            hint="Put the images of each class into a sub-folder of its own.",
        )
    label_of = {name: label for label, name in enumerate(classes)}
    samples: dict[Part, tuple[Sample, ...]] = {}
    for part, root in roots.items():
        entries: list[Sample] = []
        folder_of = _by_class(root)
        for name in sorted(folder_of):
            paths = images[name] if part == "train" else _images(folder_of[name], left_out)
            if name in label_of:
                entries += [Sample(path, label_of[name]) for path in paths]
            elif paths and name not in empty:
                why = f"of a class that {train.path.name}/ does not have"
                left_out.setdefault(why, []).extend(map(str, paths))
        samples[part] = tuple(entries)
    folders = {part: root.path.name for part, root in parts.items()}
    return Layout(classes, folders, samples, empty, left_out)


def _innermost(top: Folder) -> Folder:
    """Archives often hold one folder, which holds the data."""
    while len(top.folders) == 1 and not top.files:
        (inner,) = top.folders.values()
        if not inner.folders or is_part(inner.path.name):
            break
        inner.hidden += top.hidden
        top = inner
    return top


def _opened(parts: dict[Part, Folder]) -> dict[Part, Folder]:
    """Of parts whose classes lie one folder deeper (`seg_train/seg_train/cat`), that folder."""
    if not parts or (train := _only_folder(parts["train"])) is None:
        return parts
    inner = {part: _only_folder(folder) or folder for part, folder in parts.items()}
    return {part: parts[part] if inner[part].path.name in train.folders else inner[part] for part in parts}


def _only_folder(folder: Folder) -> Folder | None:
    """The one folder that there is, and nothing beside it, if it holds folders."""
    if len(folder.folders) != 1 or folder.files:
        return None
    (inner,) = folder.folders.values()
    return inner if inner.folders else None


def _by_class(root: Folder) -> dict[str, Folder]:
    """Class folders by their names. Macs write accents as characters of their own, which others do not."""
    named = {unicodedata.normalize("NFC", name): folder for name, folder in root.folders.items()}
    return named if len(named) == len(root.folders) else root.folders


def _images(folder: Folder, left_out: dict[str, list[str]]) -> list[PurePosixPath]:
    """What may be images by its ending; the other files are put into `left_out`."""
    images = []
    for path in folder.all_files():
        ending = path.suffix.lower()
        if ending in IMAGE_ENDINGS or not ending:
            images.append(path)
        else:
            left_out.setdefault("not an image by its ending", []).append(str(path))
    return images


def _content(folder: Folder) -> str:
    endings = Counter(path.suffix.lower() for path in folder.all_files())
    few = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(_FEW))
    return few or "nothing"
