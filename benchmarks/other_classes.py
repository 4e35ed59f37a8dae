"""Images of CIFAR-100's classes that `benchmarks.finetuning` leaves out, as a folder of images.

    python -m benchmarks.other_classes --data-dir DIR FOLDER

A GHN that trains on this folder (`weightcast train --data cifar10 --also-data FOLDER`) has seen none of the
twenty classes that fine-tuning is measured on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from benchmarks.finetuning import fine_tuning_classes
from training.data.dataset import ImageSet
from training.data.load import load_dataset


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    dataset = load_dataset("cifar100", data_dir=options.data_dir)
    left_out = set(fine_tuning_classes(len(dataset.classes)).tolist())
    for part, images in (("train", dataset.train), ("val", dataset.validation)):
        write(images, dataset.classes, left_out, options.folder / part)


def write(images: ImageSet, classes: tuple[str, ...], left_out: set[int], folder: Path) -> None:
    for label, name in enumerate(classes):
        if label not in left_out:
            (folder / name).mkdir(parents=True)
    for index, label in enumerate(images.labels_N.tolist()):
        if label not in left_out:
            pixels_HWC = images.images_NCHW[index].permute(1, 2, 0).numpy()
            Image.fromarray(pixels_HWC).save(folder / classes[label] / f"{index:05d}.png")


if __name__ == "__main__":
    main()
