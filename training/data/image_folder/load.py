"""A folder or zip file of images as arrays, every part with its labels, and what was left out."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidInput
from service.kit.cores import usable_cores
from training.data.image_folder.decode import DecodedImage, UnreadableImage, decode_image
from training.data.image_folder.layout import IMAGE_ENDINGS, Layout, Sample, layout_of
from training.data.image_folder.memory import check_memory
from training.data.image_folder.parts import Part
from training.data.image_folder.report import FolderReport
from training.data.image_folder.stratify import held_out
from training.data.image_folder.tree import ImageTree

_TENTH = 0.1
_MOST_VALIDATION_IMAGES = 5000
# More than this share unreadable, and something else is wrong.
_MOST_UNREADABLE = 0.5
_NAMED = 20
# Between two reports of how many images are read.
_REPORT_SECONDS = 1.0

# Told of the number of images that are read, and of all.
OnRead = Callable[[int, int], None]


def tell_nobody(done: int, total: int) -> None:
    """The default of those who read images."""


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """images_NCHW: uint8."""

    images_NCHW: NDArray[np.uint8]
    label_N: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.label_N)

    def where(self, chosen_N: NDArray[np.bool_]) -> LabelledImages:
        return LabelledImages(self.images_NCHW[chosen_N], self.label_N[chosen_N])


@dataclass(frozen=True, slots=True)
class FolderImages:
    classes: tuple[str, ...]
    train: LabelledImages
    validation: LabelledImages
    test: LabelledImages
    report: FolderReport


def load_images(
    tree: ImageTree, shape_CHW: tuple[int, int, int], *,
    skip_bad: bool = False, copies: int = 1, on_read: OnRead = tell_nobody,
) -> FolderImages:  # fmt: skip
    """Every part in an order that is drawn once. The test part is `test/`, else `val/`, else a tenth of every
    class; the validation part is `val/` where there is a test part beside it, else a tenth of every class.

    skip_bad: go on without files that cannot be read and class folders without images. copies: processes that
    load these images. on_read: called about once a second while images are read.

    Raises InvalidInput: for files that cannot be read, all named at once; for classes with too few images to
    hold some out. Raises LimitExceeded for more images than fit into memory.
    """
    layout = layout_of(tree.top(), str(tree.place))
    if layout.empty and not skip_bad:
        raise _without_images(layout, tree)
    for name, content in layout.empty.items():
        layout.left_out.setdefault("a class folder without images", []).append(f"{name}/ ({content})")
    check_memory(sum(map(len, layout.samples.values())), shape_CHW, str(tree.place), copies=copies)
    report = FolderReport(str(tree.place), left_out=layout.left_out)
    read: dict[Part, LabelledImages] = {}
    counter = _Counter(sum(map(len, layout.samples.values())), on_read)
    for part, samples in layout.samples.items():
        read[part], report = _read(tree, samples, shape_CHW, report, counter)
    _check_readable(report, sum(map(len, layout.samples.values())), skip_bad, tree)
    parts, sources = _parts(read, layout, tree)
    absent = {
        part: [name for label, name in enumerate(layout.classes) if label not in images.label_N]
        for part, images in parts.items()
    }
    report = replace(report, parts=sources, absent={part: names for part, names in absent.items() if names})
    return FolderImages(layout.classes, parts["train"], parts["validation"], parts["test"], report)


class _Counter:
    """Counts images over all parts, and reports at most once a second."""

    def __init__(self, total: int, on_read: OnRead) -> None:
        self._done, self._total, self._on_read = 0, total, on_read
        self._reported = time.monotonic()

    def add(self) -> None:
        self._done += 1
        if time.monotonic() - self._reported >= _REPORT_SECONDS:
            self._reported = time.monotonic()
            self._on_read(self._done, self._total)


def _read(
    tree: ImageTree, samples: Sequence[Sample], shape_CHW: tuple[int, int, int], report: FolderReport,
    counter: _Counter,
) -> tuple[LabelledImages, FolderReport]:  # fmt: skip
    """What can be read, shuffled with a fixed seed, and the report with the rest."""

    def decoded(sample: Sample) -> DecodedImage | UnreadableImage:
        try:
            with tree.open(sample.path) as file:
                return decode_image(file, shape_CHW)
        except UnreadableImage as error:
            return error
        except OSError as error:  # its own text has the path of this machine
            return UnreadableImage(error.strerror or type(error).__name__)
        except Exception as error:  # a zip file's members fail in as many ways as images do
            return UnreadableImage(str(error) or type(error).__name__)

    # Each image goes to its place in the drawn order: a shuffled copy would take as much memory again.
    order = np.random.default_rng(0).permutation(len(samples))
    place_N = np.argsort(order)
    images_NCHW = np.empty((len(samples), *shape_CHW), dtype=np.uint8)
    label_N = np.array([sample.label for sample in samples], dtype=np.int64)[order]
    readable_N = np.zeros(len(samples), dtype=bool)
    turned = deep = frames = 0
    unreadable, left_out = dict(report.unreadable), report.left_out
    with warnings.catch_warnings(), ThreadPoolExecutor(usable_cores()) as pool:
        warnings.simplefilter("ignore")  # Pillow's, of what does not matter here
        for row, (sample, image) in enumerate(zip(samples, pool.map(decoded, samples), strict=True)):
            counter.add()
            name = str(sample.path)
            if isinstance(image, DecodedImage):
                images_NCHW[place_N[row]], readable_N[place_N[row]] = image.pixels_CHW, True
                turned, deep, frames = turned + image.turned, deep + image.deep, frames + image.frames
            elif image.is_image or sample.path.suffix.lower() in IMAGE_ENDINGS:
                unreadable[name] = image.reason
            else:
                left_out.setdefault("not an image by its content", []).append(name)
    report = replace(
        report, unreadable=unreadable,
        turned=report.turned + turned, deep=report.deep + deep, frames=report.frames + frames,
    )  # fmt: skip
    images = LabelledImages(images_NCHW, label_N)
    return images if readable_N.all() else images.where(readable_N), report


def _parts(
    read: dict[Part, LabelledImages], layout: Layout, tree: ImageTree
) -> tuple[dict[str, LabelledImages], dict[str, str]]:
    """The three parts of the data set, and where each comes from."""
    train, folders = read["train"], {part: f"{name}/" for part, name in layout.folders.items()}
    place = folders.get("train", "the images")
    sources = {"train": place}
    _check_counts(train, layout, tree, least=2)
    if "test" in read and "validation" in read:
        test, validation = read["test"], read["validation"]
        sources |= {"validation": folders["validation"], "test": folders["test"]}
    else:
        part_held = next((part for part in ("test", "validation") if part in read), None)
        if part_held is None:
            out_N = held_out(train.label_N, _TENTH)
            test, train = train.where(out_N), train.where(~out_N)
            sources["test"] = f"a tenth of {place}, of every class"
        else:
            test, sources["test"] = read[part_held], folders[part_held]
        share = min(_TENTH, _MOST_VALIDATION_IMAGES / len(train))
        out_N = held_out(train.label_N, share)
        validation, train = train.where(out_N), train.where(~out_N)
        sources["validation"] = f"{share:.0%} of {place}, of every class"
    for part, images in (("validation", validation), ("test", test)):
        if not len(images):
            raise InvalidInput(
                f"{tree.place} has no image for the {part} part ({sources[part]}).",
                field="/data",
                hint="Each class needs at least three images, of which one is held out for each part.",
            )
    return {"train": train, "validation": validation, "test": test}, sources


def _check_counts(train: LabelledImages, layout: Layout, tree: ImageTree, *, least: int) -> None:
    counts = np.bincount(train.label_N, minlength=len(layout.classes))
    few = [f"{name} ({count})" for name, count in zip(layout.classes, counts, strict=True) if count < least]
    if few:
        raise InvalidInput(
            f"{tree.place} has too few images of {_listed(few)} to train on some and hold others out.",
            field="/data",
            hint=f"Each class needs {least} readable images for training at the least, better dozens.",
        )


def _check_readable(report: FolderReport, count: int, skip_bad: bool, tree: ImageTree) -> None:
    bad = report.unreadable
    if not bad or (skip_bad and len(bad) <= _MOST_UNREADABLE * count):
        return
    files = "1 file" if len(bad) == 1 else f"{len(bad):,} files"
    others = ", or go on without them with --skip-bad (`skip_bad` in jobs)"
    raise InvalidInput(
        f"{tree.place}: {files} of {count:,} cannot be read: "
        + _listed([f"{name} ({reason})" for name, reason in bad.items()])
        + ".",
        field="/data",
        files=[{"file": name, "reason": reason} for name, reason in list(bad.items())[:1000]],
        hint=f"Mend or remove them{'' if skip_bad else others}."
        + (" More than half are unreadable: are these images?" if skip_bad else ""),
    )


def _without_images(layout: Layout, tree: ImageTree) -> InvalidInput:
    names = _listed([f"{name}/ (it holds {content})" for name, content in layout.empty.items()])
    return InvalidInput(
        f"{tree.place} has class folders without images: {names}.",
        field="/data",
        hint="Fill or remove them, or skip them with --skip-bad (`skip_bad` in jobs).",
    )


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
