"""A GHN that learns from two data sets, with a classifier for each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from service.errors import InvalidInput, InvalidRequest
from service.ghn.checkpoint import load_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.predict import predict_blocks
from service.models.catalog import ModelCard
from tests.ghn.test_model import conv_net
from tests.training.data.image_files import write_images
from training.data.load import load_dataset
from training.finetune.starting_weights import trained_on
from training.ghn.data_sets import load_data_sets
from training.ghn.recipe import Stage, TrainConfig
from training.ghn.ship import ship
from training.ghn.start import start_of
from training.ghn.trainer import train

CONFIG = TrainConfig(
    name="both", data="digits", steps=4, threads=1, log_steps=1, warmup_steps=2, validate_networks=0,
    stages=(Stage(image_size=16, cost=10, most_channels=16, meta_batch=2, images=8),),
)  # fmt: skip


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of three classes."""
    folder = tmp_path_factory.mktemp("data") / "shapes"
    write_images(folder, {"circle": 30, "square": 30, "star": 30})
    return folder


@pytest.fixture(scope="module")
def run(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(replace(CONFIG, also_data=str(shapes)), tmp_path_factory.mktemp("runs") / "both")


def test_every_data_set_has_a_classifier_of_its_own(run: Path) -> None:
    ghn = load_checkpoint(run / "model")
    assert ghn.config.class_counts == (10, 3)
    assert ghn.vector_decoder.classifier.bias.shape == (13,)
    assert (ghn.config.class_rows(10), ghn.config.class_rows(3)) == (slice(0, 10), slice(10, 13))
    # A network of other classes gets those of the first data set.
    assert ghn.config.class_rows(7) == slice(0, 10)
    before = predict_blocks(ghn, conv_net(8, classes=3)).expand()
    with torch.no_grad():
        ghn.vector_decoder.classifier.bias[10:] += 1
    after = predict_blocks(ghn, conv_net(8, classes=3)).expand()
    changed = {name for name in before if not (before[name] == after[name]).all()}
    assert changed == {"fc.bias"} and before["fc.weight"].shape[0] == 3


def test_the_model_says_both(run: Path, shapes: Path) -> None:
    card = ModelCard(**{**json.loads((run / "model" / "card.json").read_text()), "digest": "", "path": run})
    assert [data.dataset for data in card.trained_data] == ["digits", "shapes"]
    assert trained_on(card, load_dataset(str(shapes))) and trained_on(card, load_dataset("digits"))


def test_a_fault_names_the_data_set(shapes: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    write_images(damaged, {"circle": 30, "square": 30})
    (damaged / "circle" / "cut.png").write_bytes(b"\x89PNG\r\n")
    strict = replace(CONFIG, skip_bad=False)
    for first, second, field in ((shapes, damaged, "/also_data"), (damaged, shapes, "/data")):
        with pytest.raises(InvalidInput) as raised:
            load_data_sets(replace(strict, data=str(first), also_data=str(second)), None, 1)
        assert raised.value.extra["field"] == field


def test_a_run_goes_on_and_is_shipped(run: Path, shapes: Path, tmp_path: Path) -> None:
    longer = replace(CONFIG, steps=5, also_data=str(shapes))
    train(longer, run, resume=True)
    with pytest.raises(InvalidRequest, match="learns the classes"):
        train(replace(CONFIG, steps=6), run, resume=True)
    ship(run, tmp_path / "shipped", scores={}, notes={})
    assert load_checkpoint(tmp_path / "shipped").config.more_classes == (3,)


def test_a_model_keeps_the_classifiers_that_it_has(run: Path) -> None:
    start = start_of(str(run / "model"), {}, [3, 5])
    known = load_checkpoint(run / "model").vector_decoder.classifier.bias
    assert torch.equal(start.tensors["ghn.vector_decoder.classifier.bias"][:3], known[10:])
    assert start.config.class_counts == (3, 5)


def test_data_sets_of_equally_many_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="Both data sets have 10 classes") as refused:
        train(replace(CONFIG, also_data="digits"), tmp_path / "same")
    assert refused.value.extra["field"] == "/also_data"
    with pytest.raises(ValueError, match="differ"):
        GHNConfig(more_classes=(10,))
