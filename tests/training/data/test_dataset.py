"""Data sets: shapes, parts that do not overlap, batches that repeat, files that are refused."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from service.errors import InvalidInput, InvalidRequest
from training.data.dataset import Dataset, batches, sample_batch
from training.data.load import load_dataset
from training.ghn.image_stream import ImageSelection, ImageStream


def packed(path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    files = []
    for _ in range(count):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(buffer, "JPEG")
        files.append(np.frombuffer(buffer.getvalue(), dtype=np.uint8))
    offsets = np.cumsum([0, *map(len, files)])
    np.savez(
        path,
        jpeg=np.concatenate(files),
        offsets=offsets,
        labels=np.arange(count) % 10,
        classes=np.array(list("abcdefghij")),
    )


def test_digits_have_three_parts() -> None:
    data = load_dataset("digits", image_size=16)
    assert len(data.train) + len(data.validation) + len(data.test) == 1797
    assert data.train.images_NCHW.shape[1:] == (3, 16, 16)
    assert len(data.classes) == 10
    x, _ = next(batches(data, data.train, 1000))
    assert abs(float(x.mean())) < 0.1 and abs(float(x.std()) - 1) < 0.2


def test_a_batch_is_a_function_of_its_seed() -> None:
    data = load_dataset("digits", image_size=16)
    indices = np.arange(8)
    one, two, other = (
        sample_batch(data, indices, np.random.default_rng(seed), crop=True)[0] for seed in (0, 0, 1)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_images_are_mirrored_where_that_keeps_the_class_and_cropped_on_demand() -> None:
    digits = load_dataset("digits", image_size=16)
    indices = np.arange(32)

    def sample(data: Dataset, **options: bool) -> Tensor:
        return sample_batch(data, indices, np.random.default_rng(0), **options)[0]

    plain = digits.normalise(digits.train.images_NCHW[:32])
    assert torch.equal(sample(digits), plain)
    mirrored = sample(replace(digits, mirror=True))
    turned = [bool(torch.equal(a, b.flip(2))) for a, b in zip(mirrored, plain, strict=True)]
    kept = [bool(torch.equal(a, b)) for a, b in zip(mirrored, plain, strict=True)]
    assert all(a or b for a, b in zip(turned, kept, strict=True))
    assert 4 < sum(turned) < 28
    cropped = sample(digits, crop=True)
    assert cropped.shape == plain.shape and not torch.equal(cropped, plain)


def test_a_stream_gives_the_same_images_made_ahead_or_not() -> None:
    digits = load_dataset("digits", image_size=16)
    selections = [ImageSelection(step, 6 * step, 3 * step, (0, 2), 2, 8) for step in range(3)]
    ahead, alone = (ImageStream([digits], 3, crop=True) for _ in range(2))
    for number, each in enumerate(selections):
        following = selections[number + 1] if number == 0 else replace(each, image_size=16)
        for one, other in zip(ahead.take(each, following), alone.take(each), strict=True):
            assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])
    ahead.close()
    alone.close()
    # Every image comes once an epoch, whatever network sees it.
    whole = ImageStream([digits], 3, crop=False)
    count = len(digits.train)
    ((images, _),) = whole.take(ImageSelection(0, count, 0, (0,), count, 32))
    assert len(torch.unique(images.flatten(1), dim=0)) == len(
        torch.unique(digits.normalise(digits.train.images_NCHW).flatten(1), dim=0)
    )
    whole.close()


def test_packed_files_are_decoded_once(tmp_path: Path) -> None:
    packed(tmp_path / "train.npz", 5010)
    packed(tmp_path / "test.npz", 20)
    cache = tmp_path / "cache"
    first = load_dataset("cifar10", data_dir=tmp_path, cache_dir=cache)
    assert (len(first.train), len(first.validation), len(first.test)) == (10, 5000, 20)
    assert len(list(cache.iterdir())) == 2
    again = load_dataset("cifar10", data_dir=tmp_path, cache_dir=cache)
    assert torch.equal(first.test.images_NCHW, again.test.images_NCHW)
    assert first.resized(16).test.images_NCHW.shape == (20, 3, 16, 16)


def test_packed_files_of_another_data_set_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cifar10").mkdir()
    for part, count in (("train", 5010), ("test", 20)):
        packed(tmp_path / "cifar10" / f"{part}.npz", count)
    assert len(load_dataset("cifar10", data_dir=tmp_path).train) == 10
    with pytest.raises(InvalidInput, match="cifar100 has 100 classes"):
        load_dataset("cifar100", data_dir=tmp_path / "cifar10")


def test_networks_take_turns_among_data_sets() -> None:
    sets = [load_dataset("digits", image_size=8), load_dataset("digits", image_size=8).grey()]
    stream = ImageStream(sets, 3, crop=False)
    batches = stream.take(ImageSelection(0, 0, 5, (0, 1, 2), 4, 8))
    assert [images.shape[1] for images, _ in batches] == [1, 3, 1]
    stream.close()


def test_a_damaged_packed_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.npz").write_bytes(b"not a zip file")
    with pytest.raises(InvalidInput):
        load_dataset("cifar10", data_dir=tmp_path)


def test_a_folder_of_images(tmp_path: Path) -> None:
    for name, colour in (("cat", 10), ("dog", 200)):
        (tmp_path / name).mkdir()
        for index in range(10):
            Image.new("RGB", (40, 30), (colour, index, 0)).save(tmp_path / name / f"{index}.png")
    data = load_dataset(str(tmp_path), image_size=16)
    assert data.classes == ("cat", "dog")
    assert len(data.train) + len(data.validation) + len(data.test) == 20
    reds = data.train.images_NCHW[:, 0, 0, 0]
    assert torch.equal(reds > 100, data.train.labels_N == 1)


def test_an_unknown_data_set_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        load_dataset("no-such-data")
    assert refused.value.extra["field"] == "/data"
