"""Image classification data sets as arrays in memory: uint8 images, int64 labels, and batches of normalised
tensors.

Shape legend: N images, C channels (3, or 1 of grey images), H height, W width
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from training.data.image_folder.report import FolderReport

# Of red, green and blue in grey (ITU-R 601, as Pillow has it).
_LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class ImageSet:
    """Part of a data set. images_NCHW: uint8."""

    images_NCHW: Tensor
    labels_N: Tensor

    def __len__(self) -> int:
        return len(self.labels_N)

    def split(self, held_out: int) -> tuple[ImageSet, ImageSet]:
        """The first images, and the last `held_out`."""
        kept = len(self) - held_out
        return (
            ImageSet(self.images_NCHW[:kept], self.labels_N[:kept]),
            ImageSet(self.images_NCHW[kept:], self.labels_N[kept:]),
        )


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
        height, width = sides(image_size)
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
        parts.append(to_bytes(resized))
    return torch.cat(parts)


def _luminance(images_NCHW: Tensor) -> Tensor:
    weight = torch.tensor(_LUMINANCE).view(1, 3, 1, 1)
    chunks = torch.split(images_NCHW, 4096)
    return torch.cat([to_bytes((chunk.float() * weight).sum(1, keepdim=True)) for chunk in chunks])


def to_bytes(images_NCHW: Tensor) -> Tensor:
    """Numbers from 0 to 255 as uint8, rounded; changes what it is given."""
    return images_NCHW.round_().clamp_(0, 255).to(torch.uint8)


def sides(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width of images of that size: pixels a side, or both."""
    return (image_size, image_size) if isinstance(image_size, int) else image_size
