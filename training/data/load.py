"""Data sets by name or place.

Sources: "digits" (scikit-learn's 8x8 digits, anywhere, at once), "cifar10" and "cifar100" (`cifar`), or a
folder or zip file of images, one sub-folder a class (optionally below `train/` and `val/` or `test/`, as
ImageNet is laid out; `image_folder`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

import torch

from service.errors import InvalidInput
from training.data.cifar import load_cifar
from training.data.dataset import Dataset, ImageSet, sides
from training.data.digits import load_digits
from training.data.image_folder.load import LabelledImages, OnRead, load_images, tell_nobody
from training.data.image_folder.names import BUILT_IN, unknown_data
from training.data.image_folder.tree import ImageTree, open_tree

# Channel means and deviations of the training images, 0 to 1.
_IMAGENET: tuple[tuple[float, ...], tuple[float, ...]] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_IMAGENET_GREY = ((0.458,), (0.225,))


class ImageConfig(Protocol):
    """What the configurations of all trainings say of their images: arguments of `load_dataset`."""

    @property
    def data(self) -> str: ...
    @property
    def data_dir(self) -> str | None: ...
    @property
    def mirror(self) -> bool | None: ...
    @property
    def skip_bad(self) -> bool: ...


def configured_dataset(
    config: ImageConfig, cache_dir: Path | None = None, *,
    image_size: int | tuple[int, int] | None = None, channels: Literal[1, 3] = 3, copies: int = 1,
    on_read: OnRead = tell_nobody,
) -> Dataset:  # fmt: skip
    """`load_dataset` for the configuration of a training."""
    return load_dataset(
        config.data,
        data_dir=None if config.data_dir is None else Path(config.data_dir),
        cache_dir=cache_dir, image_size=image_size, channels=channels,
        mirror=config.mirror, skip_bad=config.skip_bad, copies=copies, on_read=on_read,
    )  # fmt: skip


def load_dataset(
    name: str, *,
    data_dir: Path | None = None, cache_dir: Path | None = None,
    image_size: int | tuple[int, int] | None = None, channels: Literal[1, 3] = 3,
    mirror: bool | None = None, skip_bad: bool = False, copies: int = 1,
    on_read: OnRead = tell_nobody,
) -> Dataset:  # fmt: skip
    """A data set by name ("digits", "cifar10", "cifar100"), or the path of a folder or zip file of images.

    data_dir: where `train.npz` and `test.npz` (packed images), a folder of the data set's name with these, or
    torchvision's files lie. cache_dir: decoded arrays are kept here. image_size: pixels a side, or height and
    width; by default 16 for digits and 32 for the others. channels: 1 for grey images.
    mirror: whether training images are mirrored; without it, all but those of digits, letters and signs:
    where a class is named by one character they are not. skip_bad: go on without files of a folder that
    cannot be read. copies: processes that load it, each for itself. on_read: called about once a second while
    a folder or zip file is read, with the number of images that are read, and of all.

    Raises InvalidRequest for an unknown name, InvalidInput for files that cannot be read, LimitExceeded for
    a folder that does not fit into memory.
    """
    if name in BUILT_IN:
        height, width = sides(image_size or (16 if name == "digits" else 32))
        dataset = load_digits(height, width) if name == "digits" else load_cifar(name, data_dir, cache_dir)
        dataset = dataset.resized((height, width))
        dataset = dataset.grey() if channels == 1 else dataset
        return dataset if mirror is None else replace(dataset, mirror=mirror)
    tree = open_tree(Path(name).expanduser())
    if tree is None and Path(name).expanduser().is_file():
        raise InvalidInput(
            f"{Path(name).name} is neither a folder of images nor a zip file of them.",
            field="/data",
            hint="Give the folder, with one sub-folder a class; unpack archives of other kinds.",
        )
    if tree is None:
        raise unknown_data(name)
    return _image_folder(tree, image_size or 32, channels, mirror, skip_bad, copies, on_read)


def _image_folder(
    tree: ImageTree, image_size: int | tuple[int, int], channels: Literal[1, 3], mirror: bool | None,
    skip_bad: bool, copies: int, on_read: OnRead,
) -> Dataset:  # fmt: skip
    height, width = sides(image_size)
    images = load_images(tree, (channels, height, width), skip_bad=skip_bad, copies=copies, on_read=on_read)
    if mirror is None:
        mirror = not any(len(name) == 1 for name in images.classes)
    train, validation, test = map(_image_set, (images.train, images.validation, images.test))
    mean, deviation = _IMAGENET if channels == 3 else _IMAGENET_GREY
    return Dataset(tree.name, images.classes, train, validation, test, mean, deviation, mirror, images.report)


def _image_set(part: LabelledImages) -> ImageSet:
    return ImageSet(torch.from_numpy(part.images_NCHW), torch.from_numpy(part.label_N))
