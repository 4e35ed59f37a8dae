"""What trainings make of folders of images: names, classes that stay, shapes of networks, the inventory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from service.cli.inventory_lines import inventory_lines
from service.contract.smash import SmashOptions
from service.errors import InvalidRequest
from service.executor.networks import Network
from service.graph_io.archgraph import ArchGraph
from service.graph_io.torch_tracer import trace
from service.models.catalog import ModelCard
from tests.training.data.image_files import write_images
from training.data.classes import check_classes
from training.data.dataset import Dataset
from training.data.digest import data_digest
from training.data.image_folder.names import data_source
from training.data.inventory import inventory, source_fields
from training.data.load import load_dataset
from training.data.network_images import check_fits, image_channels, image_sides
from training.evaluate.accuracy import Scores
from training.evaluate.measurements import Evaluation
from training.finetune.config import FineTuning
from training.finetune.run import run
from training.finetune.starting_weights import trained_on
from training.loop.network_training import random_parameters
from training.smash.config import SmashRun
from training.smash.run import run as run_smash

CLASSES = {"cat": 30, "dog": 30}


def network(shape: tuple[int, int, int], outputs: int = 2, *, flat: int | None = None) -> ArchGraph:
    """flat: so many features of fixed place; without it the network takes any size."""
    head: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, outputs)]
    if flat is not None:
        head = [nn.Flatten(), nn.Linear(flat, outputs)]
    module = nn.Sequential(nn.Conv2d(shape[0], 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), *head)
    return trace(module, input_shape=shape)


def tune(graph: ArchGraph, data: Path, folder: Path, **options: Any) -> dict[str, Any]:
    config = FineTuning(data=str(data), start="random", epochs=1, batch_size=8, **options)
    result = run(graph, config, folder)
    assert result is not None
    return result


# Names


def test_a_folder_wins_over_a_built_in_name(tmp_path: Path) -> None:
    assert data_source("digits", tmp_path) == "digits"
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "train.npz").write_bytes(b"x")
    assert data_source("cifar10", tmp_path) == "cifar10"  # where packed files lie
    write_images(tmp_path / "digits", CLASSES)
    assert data_source("digits", tmp_path) == str(tmp_path / "digits")
    assert data_source("photos", tmp_path) == "photos"
    (tmp_path / "photos.zip").write_bytes(b"x")
    assert data_source("photos.zip", tmp_path) == str(tmp_path / "photos.zip")


# Classes


def card(**fields: Any) -> ModelCard:
    return ModelCard(name="m", kind="ghn", digest="", path=Path(), **fields)


def test_a_ghn_knows_classes_by_their_names(tmp_path: Path) -> None:
    data = load_dataset(str(write_images(tmp_path / "digits", {str(digit): 3 for digit in range(10)})))
    assert trained_on(card(dataset="x", num_classes=10, classes=data.classes), data)
    assert not trained_on(card(dataset="digits", num_classes=10, classes=("a",) * 10), data)
    assert not trained_on(card(dataset="digits", num_classes=10), data)  # it is a folder's name alone
    assert trained_on(card(dataset="digits", num_classes=10), load_dataset("digits"))


def test_classes_of_a_run_stay() -> None:
    state = {"classes": ["a", "b"]}
    check_classes(state, 2, ("a", "b"), "mine")
    check_classes({}, 2, ("c", "d"), "mine")  # begun before classes were kept
    with pytest.raises(InvalidRequest) as refused:
        check_classes(state, 2, ("a", "c"), "mine")
    assert "'mine' learns the classes a, b; the data have a, c" in refused.value.detail
    assert "--from mine" in refused.value.extra["hint"]
    with pytest.raises(InvalidRequest, match="learns 2 classes"):
        check_classes({}, 2, ("a", "b", "c"), "mine")


def test_a_smash_run_refuses_other_names(tmp_path: Path) -> None:
    model = SmashOptions(unit=4, blocks=1, banks=2, layers=1, hidden=8, depth=1)
    data = write_images(tmp_path / "data", CLASSES)
    config = SmashRun(
        name="mine", data=str(data), steps=1, model=model, image_size=8, images=8, validate_networks=2
    )
    records: list[dict[str, Any]] = []
    result = run_smash(config, tmp_path / "run", on_progress=records.append)
    assert result is not None and result["inventory"] == {
        key: value for key, value in records[0].items() if key != "kind"
    }
    (data / "dog").rename(data / "wolf")
    with pytest.raises(InvalidRequest, match="cat, dog; the data have cat, wolf"):
        run_smash(replace(config, steps=2), tmp_path / "run")


def test_other_images_under_the_same_name_are_other_data(tmp_path: Path) -> None:
    data = write_images(tmp_path, CLASSES)
    before = load_dataset(str(data))
    assert data_digest(before) == data_digest(load_dataset(str(data)))
    (data / "dog").rename(data / "wolf")
    after = load_dataset(str(data))
    assert data_digest(after) != data_digest(before)
    plain = Evaluation(method="m", split="s", data=str(data))
    names = {replace(plain, data_digest=digest).file(tmp_path).name for digest in ("", "1", "2")}
    assert len(names) == 3 and plain.file(tmp_path).name in names


# Shapes


def test_images_have_the_shape_of_the_network(tmp_path: Path) -> None:
    data = write_images(tmp_path / "data", CLASSES, size=(40, 40))
    wide = tune(network((3, 16, 32), flat=4 * 8 * 16), data, tmp_path / "wide")
    assert wide["image_size"] == (16, 32)
    grey = tune(network((1, 28, 28)), data, tmp_path / "grey")
    assert grey["image_size"] == 28 and grey["test_images"] == 6
    assert tune(network((1, 8, 8), outputs=10), Path("digits"), tmp_path / "d", images=64)["image_size"] == 8
    large = tune(network((3, 16, 16)), data, tmp_path / "large", image_size=24)
    assert large["image_size"] == 24


def test_what_the_network_does_not_take_names_its_own_shape() -> None:
    data = load_dataset("digits")
    assert image_sides(network((3, 8, 12))) == (8, 12) and image_channels(network((1, 8, 8))) == 1
    with pytest.raises(InvalidRequest, match="4 x 8 x 8"):
        image_channels(network((4, 8, 8)))

    def refusal(graph: ArchGraph, images: Dataset) -> InvalidRequest:
        with pytest.raises(InvalidRequest) as refused:
            check_fits(Network(graph), random_parameters(graph), images)
        return refused.value

    square = refusal(network((3, 16, 32), 10, flat=512), data)
    assert "images of 3 x 16 x 16" in square.detail and "described for 3 x 16 x 32" in square.detail
    two = replace(data, classes=("no", "yes"))
    binary = refusal(network((3, 16, 16), outputs=1), two)
    assert "has 1 output, and" in binary.detail and "2 outputs" in binary.extra["hint"]
    assert "use two" in binary.extra["hint"]


# What is told


def test_the_inventory_counts_and_hides_paths(tmp_path: Path) -> None:
    data = write_images(tmp_path / "photos", {"cat": 20, "dog": 10, ".git": 1})
    (data / "dog" / "notes.txt").write_text("x")
    (data / "dog" / "x.jpg").write_bytes(b"")
    dataset = load_dataset(str(data), skip_bad=True)
    document = inventory(dataset)
    assert document["images"] == {"train": 24, "validation": 3, "test": 3}
    assert document["classes"]["cat"] == {"train": 16, "validation": 2, "test": 2}
    assert document["mirror"] is True and document["unreadable"] == 1
    assert str(tmp_path) not in json.dumps(document)
    assert source_fields(dataset) == {"classes": ["cat", "dog"], "data_path": str(data)}
    lines = inventory_lines(document)
    assert lines[0] == ("photos: 2 classes, 30 images (24 train, 3 validation, 3 test), mirrored in training")
    assert lines[2].split() == ["cat", "16", "2", "2"]
    assert "left out, unreadable: 1 (dog/x.jpg: empty)" in lines
    assert "left out, hidden: 1 (.git)" in lines
    assert "left out, not an image by its ending: 1 (dog/notes.txt)" in lines


def test_many_classes_are_summed_up() -> None:
    classes = {f"{number:03d}": {"train": number, "validation": 0, "test": 1} for number in range(1, 31)}
    images = {"train": 465, "validation": 0, "test": 30}
    lines = inventory_lines({"name": "n", "images": images, "classes": classes, "mirror": False})
    assert lines[0].endswith("not mirrored in training") and lines[1:] == ["1 to 30 training images a class"]


def test_one_network_has_no_standard_error() -> None:
    assert Scores((50.0,)).standard_error is None and f"{Scores((50.0,)):.1f}" == "50.0"
    assert f"{Scores((40.0, 60.0)):+.1f}" == "+50.0 ± 10.0"


def test_data_that_change_begin_a_fine_tuning_anew(tmp_path: Path) -> None:
    data, folder = write_images(tmp_path / "data", CLASSES), tmp_path / "run"
    torch.manual_seed(0)
    first = tune(network((3, 8, 8)), data, folder)
    write_images(data, {"dog": 60})
    second = tune(network((3, 8, 8)), data, folder)
    assert first["images"] == 48 and second["images"] == 73
    assert first["history"] != second["history"]
