"""CIFAR-10 and CIFAR-100, from packed files of JPEGs in a folder, or by torchvision's download.

Shape legend: N images
"""

from __future__ import annotations

import io
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.errors import InvalidInput
from service.kit.whole_file import whole_file
from training.data.dataset import Dataset, ImageSet

_CLASSES = {"cifar10": 10, "cifar100": 100}
# Channel means and deviations of the training images, 0 to 1.
_COLOURS = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}
_VALIDATION_IMAGES = 5000


def load_cifar(name: str, data_dir: Path | None, cache_dir: Path | None) -> Dataset:
    """name: "cifar10" or "cifar100". data_dir, cache_dir: as `load_dataset` takes them.

    Raises InvalidInput for files that cannot be read, or hold another data set.
    """
    packed = _packed_folder(name, data_dir)
    if packed is not None:
        parts = [_packed(packed / f"{part}.npz", cache_dir) for part in ("train", "test")]
    else:
        parts = [_torchvision_cifar(name, data_dir, train) for train in (True, False)]
    (images, labels, classes), (test_images, test_labels, _) = parts
    if len(classes) != _CLASSES[name]:
        raise InvalidInput(
            f"{name} has {_CLASSES[name]} classes; the images in {data_dir} have {len(classes)}.",
            field="/data",
        )
    train, validation = ImageSet(images, labels).split(_VALIDATION_IMAGES)
    return Dataset(name, classes, train, validation, ImageSet(test_images, test_labels), *_COLOURS[name])


def _packed_folder(name: str, data_dir: Path | None) -> Path | None:
    """The folder of a data set's packed files, in `data_dir` or `data_dir` itself; None if there is none."""
    folders = () if data_dir is None else (data_dir / name, data_dir)
    return next((folder for folder in folders if (folder / "train.npz").is_file()), None)


def _packed(path: Path, cache_dir: Path | None) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Arrays `jpeg` (all files joined), `offsets` (N + 1), `labels`, `classes`; decoded once, then kept as
    an array.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            labels, classes = (
                arrays["labels"].astype(np.int64),
                tuple(str(name) for name in arrays["classes"]),
            )
            cached = _cache_file(path, cache_dir)
            if cached is not None and cached.is_file():
                images = np.load(cached, allow_pickle=False)
            else:
                images = _decode(arrays["jpeg"], arrays["offsets"])
                if cached is not None:
                    _save(cached, images)
    except (OSError, KeyError, ValueError) as error:
        raise InvalidInput(f"{path.name} is not a packed image file: {error}") from error
    return torch.from_numpy(images), torch.from_numpy(labels), classes


def _decode(jpeg: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.uint8]:
    from PIL import Image

    images = []
    for start, stop in pairwise(offsets):
        with Image.open(io.BytesIO(jpeg[start:stop].tobytes())) as image:
            images.append(np.asarray(image.convert("RGB")))
    return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))


def _cache_file(path: Path, cache_dir: Path | None) -> Path | None:
    if cache_dir is None:
        return None
    stat = path.stat()
    key = sha256(f"{path.resolve()}/{stat.st_size}/{stat.st_mtime_ns}".encode()).hexdigest()[:16]
    return cache_dir / f"images-{key}.npy"


def _save(path: Path, images: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, images)


def _torchvision_cifar(
    name: str, data_dir: Path | None, train: bool
) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    from torchvision.datasets import CIFAR10, CIFAR100

    root = data_dir or Path.home() / ".cache" / "weightcast"
    try:
        data = {"cifar10": CIFAR10, "cifar100": CIFAR100}[name](root=str(root), train=train, download=True)
    except (OSError, RuntimeError) as error:
        raise InvalidInput(
            f"{name} could not be downloaded: {error}",
            hint="Give --data-dir (or WEIGHTCAST_DATA_DIR) a folder that has train.npz and test.npz, itself "
            f"or in {name}/, or what torchvision unpacks.",
        ) from error
    images = torch.from_numpy(np.ascontiguousarray(data.data.transpose(0, 3, 1, 2)))
    return images, torch.tensor(data.targets), tuple(data.classes)
