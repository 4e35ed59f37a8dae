"""Image classification data sets as arrays in memory: uint8 images, int64 labels, and batches of normalised
tensors.

Sources: "digits" (scikit-learn's 8x8 digits, anywhere, at once), "cifar10" and "cifar100" (packed files of
JPEGs in a folder, or torchvision's download), or a folder or zip file of images, one sub-folder a class
(optionally below `train/` and `val/` or `test/`, as ImageNet is laid out; `image_folder`).

Shape legend: N images, C channels (3, or 1 of grey images), H height, W width
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from service.errors import InvalidInput
from service.kit.whole_file import whole_file
from training.data.image_folder.load import LabelledImages, OnRead, load_images, tell_nobody
from training.data.image_folder.names import BUILT_IN, unknown_data
from training.data.image_folder.report import FolderReport
from training.data.image_folder.tree import ImageTree, open_tree

# Channel means and deviations of the training images, 0 to 1.
_CIFAR = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}
_CIFAR_CLASSES = {"cifar10": 10, "cifar100": 100}
_IMAGENET: tuple[tuple[float, ...], tuple[float, ...]] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_IMAGENET_GREY = ((0.458,), (0.225,))
_DIGITS = ((0.305, 0.305, 0.305), (0.376, 0.376, 0.376))
_VALIDATION_IMAGES = 5000
# Of red, green and blue in grey (ITU-R 601, as Pillow has it).
_LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class ImageSet:
    """Part of a data set. images_NCHW: uint8."""

    images_NCHW: Tensor
    labels_N: Tensor

    def __len__(self) -> int:
        return len(self.labels_N)


@dataclass(frozen=True)
class Dataset:
    """validation: images held out of the training images, for choosing; test: for reporting. mirror: half of
    the training images are mirrored. report: what else was in the folder that they come from.
    """

    name: str
    classes: tuple[str, ...]
    train: ImageSet
    validation: ImageSet
    test: ImageSet
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    mirror: bool = True
    report: FolderReport | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.train.images_NCHW.shape[1:]
        return channels, height, width

    @property
    def image_size(self) -> int | tuple[int, int]:
        """Pixels a side; height and width of images that are not square."""
        _, height, width = self.shape
        return height if height == width else (height, width)

    def resized(self, image_size: int | tuple[int, int]) -> Dataset:
        """The same images at another size: averaged down (areas) or interpolated up."""
        height, width = _sides(image_size)
        if (height, width) == self.shape[1:]:
            return self
        return self._each(lambda images_NCHW: _resize(images_NCHW, height, width))

    def grey(self) -> Dataset:
        """The same images with one channel, their luminance."""
        if self.shape[0] == 1:
            return self
        weight = torch.tensor(_LUMINANCE)
        mean, deviation = (float(weight @ torch.tensor(of)) for of in (self.mean, self.deviation))
        return replace(self._each(_luminance), mean=(mean,), deviation=(deviation,))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Dataset:
        train, validation, test = (
            ImageSet(change(part.images_NCHW), part.labels_N)
            for part in (self.train, self.validation, self.test)
        )
        return replace(self, train=train, validation=validation, test=test)

    def normalise(self, images_NCHW: Tensor) -> Tensor:
        """uint8 -> float32 with mean 0 and deviation 1 a channel."""
        mean = torch.tensor(self.mean, device=images_NCHW.device).view(1, -1, 1, 1) * 255
        scale = 1 / (torch.tensor(self.deviation, device=images_NCHW.device).view(1, -1, 1, 1) * 255)
        return (images_NCHW.float() - mean) * scale


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
        height, width = _sides(image_size or (16 if name == "digits" else 32))
        dataset = _digits(height, width) if name == "digits" else _cifar(name, data_dir, cache_dir)
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


def sample_batch(
    dataset: Dataset, indices: NDArray[np.int64], random: np.random.Generator, *, crop: bool = False
) -> tuple[Tensor, Tensor]:
    """Training images (normalised, float32) and labels. Half of the images are mirrored, where that keeps
    their class; crop: cut out at random after padding by an eighth.
    """
    chosen = torch.from_numpy(indices)
    images = dataset.train.images_NCHW[chosen]
    if dataset.mirror:
        mirrored = torch.from_numpy(random.random(len(images)) < 0.5)
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    if crop:
        images = _crop(images, random)
    return dataset.normalise(images), dataset.train.labels_N[chosen]


def batches(
    dataset: Dataset, part: ImageSet, batch_size: int, limit: int | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Normalised images and labels in order, at most `limit` images; a last, smaller batch of one image is
    left out.
    """
    count = len(part) if limit is None else min(limit, len(part))
    for start in range(0, count, batch_size):
        images, labels = (
            part.images_NCHW[start : min(start + batch_size, count)],
            part.labels_N[start : min(start + batch_size, count)],
        )
        if len(labels) > 1 or count == 1:
            yield dataset.normalise(images), labels


def _crop(images_NCHW: Tensor, random: np.random.Generator) -> Tensor:
    count, _, height, width = images_NCHW.shape
    border = max(1, height // 8)
    padded = F.pad(images_NCHW, (border,) * 4)
    top, left = (torch.from_numpy(random.integers(0, 2 * border + 1, count)) for _ in range(2))
    rows = top[:, None] + torch.arange(height)
    columns = left[:, None] + torch.arange(width)
    cropped = padded.permute(0, 2, 3, 1)[
        torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]
    ]
    return cropped.permute(0, 3, 1, 2)


def _resize(images_NCHW: Tensor, height: int, width: int) -> Tensor:
    smaller = height < images_NCHW.shape[-2] or width < images_NCHW.shape[-1]
    parts = []
    for chunk in torch.split(images_NCHW, 4096):
        resized = (
            F.adaptive_avg_pool2d(chunk.float(), (height, width))
            if smaller
            else F.interpolate(chunk.float(), (height, width), mode="bilinear", align_corners=False)
        )
        parts.append(_bytes(resized))
    return torch.cat(parts)


def _luminance(images_NCHW: Tensor) -> Tensor:
    weight = torch.tensor(_LUMINANCE).view(1, 3, 1, 1)
    chunks = torch.split(images_NCHW, 4096)
    return torch.cat([_bytes((chunk.float() * weight).sum(1, keepdim=True)) for chunk in chunks])


def _bytes(images_NCHW: Tensor) -> Tensor:
    return images_NCHW.round_().clamp_(0, 255).to(torch.uint8)


def _sides(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width."""
    return (image_size, image_size) if isinstance(image_size, int) else image_size


def _split(images: Tensor, labels: Tensor, held_out: int) -> tuple[ImageSet, ImageSet]:
    """The last images are the validation part."""
    kept = len(labels) - held_out
    return ImageSet(images[:kept], labels[:kept]), ImageSet(images[kept:], labels[kept:])


def _digits(height: int, width: int) -> Dataset:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    images = torch.from_numpy(bunch.images[order]).float().mul_(255 / 16).unsqueeze(1)
    images = _bytes(F.interpolate(images, (height, width), mode="bilinear", align_corners=False))
    images, labels = images.expand(-1, 3, -1, -1), torch.from_numpy(bunch.target[order]).long()
    rest, test = _split(images, labels, 360)
    train, validation = _split(rest.images_NCHW, rest.labels_N, 200)
    return Dataset("digits", tuple(map(str, range(10))), train, validation, test, *_DIGITS, mirror=False)


def _cifar(name: str, data_dir: Path | None, cache_dir: Path | None) -> Dataset:
    packed = _packed_folder(name, data_dir)
    if packed is not None:
        parts = [_packed(packed / f"{part}.npz", cache_dir) for part in ("train", "test")]
    else:
        parts = [_torchvision_cifar(name, data_dir, train) for train in (True, False)]
    (images, labels, classes), (test_images, test_labels, _) = parts
    if len(classes) != _CIFAR_CLASSES[name]:
        raise InvalidInput(
            f"{name} has {_CIFAR_CLASSES[name]} classes; the images in {data_dir} have {len(classes)}.",
            field="/data",
        )
    train, validation = _split(images, labels, _VALIDATION_IMAGES)
    return Dataset(name, classes, train, validation, ImageSet(test_images, test_labels), *_CIFAR[name])


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


def _image_folder(
    tree: ImageTree, image_size: int | tuple[int, int], channels: Literal[1, 3], mirror: bool | None,
    skip_bad: bool, copies: int, on_read: OnRead,
) -> Dataset:  # fmt: skip
    height, width = _sides(image_size)
    images = load_images(tree, (channels, height, width), skip_bad=skip_bad, copies=copies, on_read=on_read)
    if mirror is None:
        mirror = not any(len(name) == 1 for name in images.classes)
    train, validation, test = map(_image_set, (images.train, images.validation, images.test))
    mean, deviation = _IMAGENET if channels == 3 else _IMAGENET_GREY
    return Dataset(tree.name, images.classes, train, validation, test, mean, deviation, mirror, images.report)


def _image_set(part: LabelledImages) -> ImageSet:
    return ImageSet(torch.from_numpy(part.images_NCHW), torch.from_numpy(part.label_N))
