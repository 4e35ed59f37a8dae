"""Folders of images as people have them: which files are which class and part, what is left out and told."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from service.errors import InvalidInput, LimitExceeded
from tests.training.data.image_files import write_deep, write_images
from training.data.dataset import Dataset
from training.data.image_folder.decode import UnreadableImage, decode_image, readable_formats
from training.data.image_folder.stratify import held_out
from training.data.load import load_dataset
from training.loop.memory import free_memory_bytes

CLASSES = {"cat": 12, "dog": 12}


def load(folder: Path, **options: Any) -> Dataset:
    return load_dataset(str(folder), image_size=8, **options)


def counts(dataset: Dataset) -> tuple[int, int, int]:
    return len(dataset.train), len(dataset.validation), len(dataset.test)


def left_out(dataset: Dataset) -> dict[str, list[str]]:
    assert dataset.report is not None
    return dataset.report.left_out


def refusal(folder: Path, **options: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        load(folder, **options)
    assert refused.value.extra["field"] == "/data"
    return refused.value


def below(part: str, of: dict[str, int] | None = None) -> dict[str, int]:
    return {f"{part}/{name}": count for name, count in (of or CLASSES).items()}


# Parts


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("Train", "Test"),
        ("TRAINING", "Testing"),
        ("train_set", "test_set"),
        ("Training Data", "Testing Data"),
        ("train-images", "val-images"),
        ("birds_trainset", "birds_testset"),
        ("trainval", "eval"),
    ],
)
def test_parts_by_their_names(tmp_path: Path, train: str, test: str) -> None:
    data = load(write_images(tmp_path, below(train) | below(test, {"cat": 3, "dog": 3})))
    assert data.classes == ("cat", "dog") and counts(data) == (22, 2, 6)
    assert data.report is not None and data.report.parts["test"] == f"{test}/"


def test_parts_within_parts(tmp_path: Path) -> None:
    test = below("seg_test/seg_test", {"cat": 3, "dog": 3})
    data = load(write_images(tmp_path / "twice", below("seg_train/seg_train") | test))
    assert data.classes == ("cat", "dog") and counts(data) == (22, 2, 6)
    # A test part of one class, which has a folder of its own.
    one = below("train") | {"test/cat/100APPLE": 3}
    assert counts(load(write_images(tmp_path / "one", one))) == (22, 2, 3)


def test_parts_below_classes(tmp_path: Path) -> None:
    folders = {"cat/train": 12, "cat/test": 3, "dog/train": 12, "dog/test": 3, "dog/val": 2}
    data = load(write_images(tmp_path, folders))
    assert data.classes == ("cat", "dog") and counts(data) == (24, 2, 6)
    assert data.report is not None and data.report.absent == {"validation": ["cat"]}


@pytest.mark.parametrize("other", ["test_tube", "plane", "train_station"])
def test_classes_that_sound_like_parts(tmp_path: Path, other: str) -> None:
    folders = {"train_engine/day 1": 6, "train_engine/day 2": 6, f"{other}/day 1": 12}
    assert load(write_images(tmp_path, folders)).classes == tuple(sorted(("train_engine", other)))


def test_accents_are_the_same_on_a_mac(tmp_path: Path) -> None:
    written, on_a_mac = "caf\u00e9", "cafe\u0301"
    folders = {f"train/{written}": 12, "train/dog": 12, f"test/{on_a_mac}": 3, "test/dog": 3}
    data = load(write_images(tmp_path, folders))
    assert data.classes == (written, "dog") and counts(data) == (22, 2, 6)


@pytest.mark.parametrize("name", ["val", "valid", "Validation", "dev"])
def test_a_validation_part_alone_is_the_test(tmp_path: Path, name: str) -> None:
    data = load(write_images(tmp_path, below("train") | below(name, {"cat": 3, "dog": 3})))
    assert counts(data) == (22, 2, 6)


def test_all_three_parts_are_used(tmp_path: Path) -> None:
    parts = below("train") | below("val", {"cat": 2, "dog": 3}) | below("test", {"cat": 4, "dog": 5})
    assert counts(load(write_images(tmp_path, parts))) == (24, 5, 9)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert load(write_images(tmp_path, {"bus": 5, "train": 5})).classes == ("bus", "train")


def test_parts_that_do_not_do(tmp_path: Path) -> None:
    flat = refusal(write_images(tmp_path / "flat", {"train": 5, "test": 5}))
    assert "train has no folder for each class" in flat.detail
    assert "no train/" in refusal(write_images(tmp_path / "no", below("test") | below("val"))).detail
    twice = refusal(write_images(tmp_path / "twice", below("train") | below("val") | below("valid")))
    assert "both val/ and valid/" in twice.detail


def test_classes_that_parts_do_not_share_are_told(tmp_path: Path) -> None:
    write_images(tmp_path, below("train", {"cat": 9, "dog": 9, "owl": 9}))
    data = load(write_images(tmp_path, below("test", {"cat": 3, "dog": 3, "wolf": 3})))
    assert data.classes == ("cat", "dog", "owl") and len(data.test) == 6
    strange = left_out(data)["of a class that train/ does not have"]
    assert strange == [f"test/wolf/00{number}.png" for number in range(3)]
    assert data.report is not None and data.report.absent == {"test": ["owl"]}


def test_what_lies_beside_the_parts_and_the_classes_is_told(tmp_path: Path) -> None:
    write_images(tmp_path, below("train") | {"spare/cat": 2, "test": 2})  # a test part without labels
    (tmp_path / "train" / "labels.csv").write_text("a,b")
    told = left_out(load(tmp_path))
    assert told["beside train/"] == ["spare/", "test/"]
    assert told["in no class's folder"] == ["train/labels.csv"]


# Classes


def test_hidden_things_are_no_classes(tmp_path: Path) -> None:
    write_images(tmp_path, CLASSES | {".ipynb_checkpoints": 2, "__MACOSX/cat": 2})
    (tmp_path / "cat" / "._000.png").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    (tmp_path / "cat" / ".DS_Store").write_bytes(b"Bud1")
    (tmp_path / "cat" / "Thumbs.db").write_bytes(b"x")
    data = load(tmp_path)
    assert data.classes == ("cat", "dog") and sum(counts(data)) == 24
    assert sorted(left_out(data)["hidden"]) == [
        ".ipynb_checkpoints", "__MACOSX", "cat/.DS_Store", "cat/._000.png", "cat/Thumbs.db"
    ]  # fmt: skip


def test_class_folders_without_images_are_named(tmp_path: Path) -> None:
    write_images(tmp_path, CLASSES)
    (tmp_path / "fish").mkdir()
    (tmp_path / "wolf").mkdir()
    (tmp_path / "wolf" / "a.mov").write_bytes(b"x")
    refused = refusal(tmp_path)
    assert "fish/ (it holds nothing)" in refused.detail and "wolf/ (it holds 1 .mov)" in refused.detail
    data = load(tmp_path, skip_bad=True)
    assert data.classes == ("cat", "dog")
    assert left_out(data)["a class folder without images"] == ["fish/ (nothing)", "wolf/ (1 .mov)"]


def test_one_class_is_refused(tmp_path: Path) -> None:
    assert "1 class with images (cat)" in refusal(write_images(tmp_path, {"cat": 5})).detail


def test_too_few_images_of_a_class_are_refused_at_once(tmp_path: Path) -> None:
    refused = refusal(write_images(tmp_path, {"cat": 1, "dog": 5, "owl": 1}))
    assert "cat (1), owl (1)" in refused.detail
    assert "validation" in refusal(write_images(tmp_path / "two", {"cat": 2, "dog": 2})).detail


def test_every_class_is_in_every_part() -> None:
    label_N = np.array([0] * 300 + [1] * 4 + [2])
    out_N = held_out(label_N, 0.1)
    assert [int(out_N[label_N == label].sum()) for label in range(3)] == [30, 1, 0]


def test_rare_classes_are_in_the_test_part(tmp_path: Path) -> None:
    data = load(write_images(tmp_path, {"common": 97, "rare": 3}))
    for part in (data.train, data.validation, data.test):
        assert set(part.labels_N.tolist()) == {0, 1}
    reds = data.test.images_NCHW[:, 0, 0, 0]
    assert torch.equal(reds == 60, data.test.labels_N == 1)


def test_a_folder_in_a_folder(tmp_path: Path) -> None:
    data = load(write_images(tmp_path, {f"photos/{name}": count for name, count in CLASSES.items()}))
    assert data.classes == ("cat", "dog")


def test_links_to_folders_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    write_images(tmp_path / "elsewhere", {"cat": 6, "more": 6})
    root = write_images(tmp_path / "root", {"dog": 6})
    (root / "cat").symlink_to(tmp_path / "elsewhere" / "cat")
    (root / "dog" / "more").symlink_to(tmp_path / "elsewhere" / "more")
    (root / "dog" / "around").symlink_to(root)
    data = load(root)
    assert data.classes == ("cat", "dog") and sum(counts(data)) == 18


# Mirroring


def test_signs_are_not_mirrored(tmp_path: Path) -> None:
    words, signs = write_images(tmp_path / "w", CLASSES), write_images(tmp_path / "s", {"a": 9, "b": 9})
    assert load(words).mirror and not load(signs).mirror
    assert not load(words, mirror=False).mirror and load(signs, mirror=True).mirror
    assert not load_dataset("digits").mirror and load_dataset("digits", mirror=True).mirror


# Files


@pytest.mark.parametrize("ending", [".tif", ".gif", ".jfif", ".JPG", ".webp", ".bmp"])
def test_the_usual_endings_are_read(tmp_path: Path, ending: str) -> None:
    assert sum(counts(load(write_images(tmp_path, CLASSES, ending=ending)))) == 24


def test_files_without_an_ending_are_what_they_contain(tmp_path: Path) -> None:
    write_images(tmp_path, CLASSES)
    (tmp_path / "cat" / "photo").write_bytes((tmp_path / "cat" / "000.png").read_bytes())
    (tmp_path / "cat" / "LICENSE").write_text("free")
    (tmp_path / "cat" / "notes.txt").write_text("a cat")
    data = load(tmp_path)
    assert sum(counts(data)) == 25
    assert left_out(data)["not an image by its content"] == ["cat/LICENSE"]
    assert left_out(data)["not an image by its ending"] == ["cat/notes.txt"]


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    for index in range(4):
        write_deep(tmp_path / "dark" / f"{index}.png", 2570)
        write_deep(tmp_path / "light" / f"{index}.png", 40000)
    data = load(tmp_path)
    assert set(data.train.images_NCHW[data.train.labels_N == 0].flatten().tolist()) == {10}
    assert set(data.train.images_NCHW[data.train.labels_N == 1].flatten().tolist()) == {156}
    assert data.report is not None and data.report.deep == 8


def image_file(image: Image.Image, kind: str = "TIFF", **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def test_floats_are_read_where_their_scale_is_known() -> None:
    half = Image.fromarray(np.full((4, 4), 0.5, dtype=np.float32))
    assert set(decode_image(image_file(half), (1, 2, 2)).pixels_CHW.flatten().tolist()) == {128}
    depth = Image.fromarray(np.full((4, 4), 812.5, dtype=np.float32))
    with pytest.raises(UnreadableImage, match="no scale that is known"):
        decode_image(image_file(depth), (3, 2, 2))


def test_a_photo_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    write_images(tmp_path, CLASSES)
    picture = Image.new("RGB", (40, 40), (250, 0, 0))
    picture.paste((0, 0, 250), (0, 0, 40, 20))  # blue above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    file = image_file(picture, "JPEG", exif=exif, quality=95)
    pixels = decode_image(file, (3, 4, 4)).pixels_CHW
    assert pixels[2, 0, 3] > 200 and pixels[2, 3, 3] > 200 and pixels[0, 0, 0] > 200  # blue on the right
    (tmp_path / "cat" / "turned.jpg").write_bytes(file.getvalue())
    report = load(tmp_path).report
    assert report is not None and report.turned == 1


def test_the_middle_is_cut_to_the_wanted_shape() -> None:
    wide = Image.new("L", (90, 30), 0)
    wide.paste(200, (26, 0, 64, 30))
    square = decode_image(image_file(wide, "PNG"), (1, 8, 8)).pixels_CHW
    assert square.shape == (1, 8, 8) and set(square.flatten().tolist()) == {200}
    whole = decode_image(image_file(wide, "PNG"), (3, 4, 12)).pixels_CHW
    assert whole.shape == (3, 4, 12) and whole[0, 0, 0] == 0 and whole[0, 0, 6] == 200


def chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def bad_files(folder: Path) -> dict[str, str]:
    """Files that cannot be read, and a word of why."""
    png, jpeg = io.BytesIO(), io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(png, "PNG")
    Image.fromarray(noise).save(jpeg, "JPEG")
    whole = png.getvalue()
    start = whole.index(b"IDAT") + 4
    (folder / "chunk.png").write_bytes(
        whole[:33] + chunk(b"IDAT", whole[start : start + 200]) + struct.pack(">I", 50) + b"\xe4\x0f\x17U"
        + whole[start + 200 :]
    )  # fmt: skip
    (folder / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0\0\0\x20"))
    (folder / "truncated.jpg").write_bytes(jpeg.getvalue()[:-60])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "page.jpg").write_text("<html>404</html>")
    (folder / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    Image.new("1", (14000, 13000)).save(folder / "panorama.png")
    return {
        "chunk.png": "damaged", "cut.png": "damaged", "truncated.jpg": "truncated", "empty.jpg": "empty",
        "page.jpg": "not an image", "IMG_1.HEIC": "pillow-heif", "gone.jpg": "No such file",
        "panorama.png": "megapixels",
    }  # fmt: skip


def test_all_unreadable_files_are_named_at_once(tmp_path: Path) -> None:
    assert "HEIF" not in readable_formats()
    write_images(tmp_path, CLASSES)
    bad = bad_files(tmp_path / "cat")
    refused = refusal(tmp_path)
    assert f"{len(bad)} files of {24 + len(bad)} cannot be read" in refused.detail
    reasons = {entry["file"]: entry["reason"] for entry in refused.extra["files"]}
    assert set(reasons) == {f"cat/{name}" for name in bad}
    for name, why in bad.items():
        assert why in reasons[f"cat/{name}"] and f"cat/{name}" in refused.detail
    assert "--skip-bad" in refused.extra["hint"]


def test_bad_files_can_be_left_out(tmp_path: Path) -> None:
    whole = load(write_images(tmp_path, CLASSES))
    bad = bad_files(tmp_path / "cat")
    data = load(tmp_path, skip_bad=True)
    assert counts(data) == counts(whole) and data.report is not None
    assert len(data.report.unreadable) == len(bad)
    document = data.report.document()
    assert document["unreadable"] == len(bad) and str(tmp_path) not in str(document)
    assert document["left_out"][0]["why"] == "unreadable" and document["left_out"][0]["files"] == len(bad)


def test_more_bad_files_than_good_ones_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path, {"cat": 2, "dog": 2})
    bad_files(tmp_path / "cat")
    assert "More than half" in refusal(tmp_path, skip_bad=True).extra["hint"]


# Zip files


def test_a_zip_file_made_on_a_mac(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "photos", CLASSES)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            name = path.relative_to(tmp_path).as_posix()
            archive.write(path, name)
            archive.writestr(f"__MACOSX/{os.path.dirname(name)}/._{path.name}", b"\0\5\x16\7")
        archive.writestr("photos/.DS_Store", b"Bud1")
        archive.writestr("../../escape/000.png", (folder / "cat" / "000.png").read_bytes())
    zipped, plain = load(tmp_path / "photos.zip"), load(folder)
    assert zipped.name == "photos" and zipped.classes == plain.classes
    assert torch.equal(zipped.train.images_NCHW, plain.train.images_NCHW)
    assert not (tmp_path.parent / "escape").exists()
    assert "hidden" in left_out(zipped)


@pytest.mark.parametrize(("name", "utf_8"), [("кошка", True), ("кошка", False), ("caf\u00e9", False)])
def test_names_in_a_zip_file(tmp_path: Path, name: str, utf_8: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """utf_8: whether the file says that its names are in UTF-8, as Macs do not."""
    if not utf_8:
        monkeypatch.setattr(
            zipfile.ZipInfo, "_encodeFilenameFlags", lambda self: (self.filename.encode(), self.flag_bits)
        )
    folder = write_images(tmp_path / "photos", {name: 6, "dog": 6})
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(folder).as_posix())
    monkeypatch.undo()
    assert set(load(tmp_path / "photos.zip").classes) == {name, "dog"}


def test_other_archives_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"\x1f\x8b")
    assert "a.tar.gz is neither a folder of images nor a zip file" in refusal(tmp_path / "a.tar.gz").detail


def test_a_damaged_zip_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"PK\3\4 and no more")
    assert "photos.zip is not a zip file" in refusal(tmp_path / "photos.zip").detail


def test_a_member_that_claims_too_little_or_is_damaged(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "photos", CLASSES)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(folder).as_posix())
    raw = (tmp_path / "photos.zip").read_bytes()
    place = raw.index(b"IDAT") + 8
    (tmp_path / "photos.zip").write_bytes(raw[:place] + bytes([raw[place] ^ 255]) + raw[place + 1 :])
    assert "cat/000.png (Bad CRC" in refusal(tmp_path / "photos.zip").detail
    assert sum(counts(load(tmp_path / "photos.zip", skip_bad=True))) == 23


# Shapes


def test_grey_and_oblong_images(tmp_path: Path) -> None:
    write_images(tmp_path, CLASSES)
    data = load_dataset(str(tmp_path), image_size=(8, 16), channels=1)
    assert data.shape == (1, 8, 16) and data.image_size == (8, 16)
    assert data.normalise(data.train.images_NCHW[:2]).shape == (2, 1, 8, 16)
    colour = load_dataset(str(tmp_path), image_size=(8, 16))
    assert torch.equal(colour.grey().train.images_NCHW, data.train.images_NCHW)
    assert data.resized(4).shape == (1, 4, 4) and data.resized((4, 6)).image_size == (4, 6)
    digits = load_dataset("digits", channels=1, image_size=16)
    assert torch.equal(digits.train.images_NCHW, load_dataset("digits").train.images_NCHW[:, :1])


# Memory


def test_a_folder_that_does_not_fit_into_memory_is_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, {"cat": 6, "dog": 6})
    (tmp_path / "cat" / "bad.png").write_bytes(b"never decoded")
    needed = 2 * 13 * 3 * 32 * 32
    monkeypatch.setattr("training.data.image_folder.memory.free_memory_bytes", lambda: needed - 1)
    with pytest.raises(LimitExceeded, match=r"13 images of 3 x 32 x 32 need 0\.0 GiB of memory") as caught:
        load_dataset(str(tmp_path))
    assert caught.value.extra["value"] == needed and caught.value.extra["limit"] == needed - 1
    monkeypatch.setattr("training.data.image_folder.memory.free_memory_bytes", lambda: needed)
    assert len(load_dataset(str(tmp_path), skip_bad=True).train) == 8
    with pytest.raises(LimitExceeded, match="in 2 processes"):
        load_dataset(str(tmp_path), skip_bad=True, copies=2)


def test_free_memory_is_what_the_control_group_leaves(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    assert free_memory_bytes(meminfo, tmp_path) is None
    meminfo.write_text("MemTotal:  9000 kB\nMemAvailable:  4000 kB\n")
    assert free_memory_bytes(meminfo, tmp_path) == 4_096_000
    (tmp_path / "memory.current").write_text("1000\n")
    for limit, free in (("max\n", 4_096_000), ("5000\n", 4000), ("500\n", 0)):
        (tmp_path / "memory.max").write_text(limit)
        assert free_memory_bytes(meminfo, tmp_path) == free


# Progress


def test_reading_tells_how_many_images_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    write_images(tmp_path, below("train") | below("test", {"cat": 3, "dog": 3}))
    load(tmp_path, on_read=lambda done, total: told.append((done, total)))
    assert told == []  # within a second
    monkeypatch.setattr("training.data.image_folder.load._REPORT_SECONDS", 0.0)
    load(tmp_path, on_read=lambda done, total: told.append((done, total)))
    assert told == [(done, 30) for done in range(1, 31)]
