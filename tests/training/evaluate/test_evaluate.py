"""Measuring predicted weights: one network, many networks, and what is remembered of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.ablations import table
from benchmarks.results_page import page
from service.errors import InvalidRequest
from service.executor.networks import Network
from service.ghn.checkpoint import save_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from training.data.deepnets import Bounds, architecture_graph
from training.data.load import load_dataset
from training.evaluate.accuracy import Scores, evaluate_networks, network_accuracy, validation_networks
from training.evaluate.measurements import RANDOM, Evaluation, Measurement, append, read, read_all
from training.evaluate.run import Job, Report, Sources, measure
from training.loop.network_training import Epoch, random_parameters, train_network
from training.loop.recipes import AdamRecipe, Recipe, SgdRecipe

SMALL = Bounds(cost=3, image_size=8, most_channels=16)


def test_scores() -> None:
    scores = Scores((10.0, 20.0, 30.0))
    assert scores.mean == 20 and scores.max == 30
    assert scores.standard_error == pytest.approx(10 / 3**0.5)


@pytest.mark.parametrize("recalibrate", [False, True])
def test_an_untrained_ghn_is_near_chance(recalibrate: bool) -> None:
    torch.manual_seed(0)
    ghn = GHN(GHNConfig()).eval()
    data = load_dataset("digits", image_size=8)
    graphs = [architecture_graph("train", 0, index, bounds=SMALL) for index in range(2)]
    scores = evaluate_networks(ghn, graphs, data, data.test, limit=128, recalibrate=recalibrate)
    assert len(scores.accuracies) == 2
    assert 0 <= scores.mean < 40


def test_validation_networks_are_fixed() -> None:
    assert validation_networks(2, 10) == validation_networks(2, 10)


def evaluation(**values: object) -> Evaluation:
    fields: dict[str, object] = {"method": RANDOM, "split": "bn-free", "data": "digits", "image_size": 8}
    return Evaluation(**{**fields, "images": 64, **values})  # type: ignore[arg-type]


def sources(tmp_path: Path) -> Sources:
    return Sources(tmp_path / "data", tmp_path / "cache")


def test_an_interrupted_evaluation_goes_on(tmp_path: Path) -> None:
    asked = evaluation()
    measure([Job(asked, 2)], tmp_path, sources(tmp_path))
    # A crash in the middle of a line.
    with asked.file(tmp_path).open("a") as file:
        file.write('{"index": 2, "na')
    reports: list[Report] = []
    results = measure([Job(asked, 3)], tmp_path, sources(tmp_path), on_result=reports.append)
    assert [report.measurement.name for report in reports] == ["bn-free-0-2"]
    assert (reports[0].done, reports[0].total) == (1, 1)
    assert len(results.scores(asked).accuracies) == 3
    assert read_all(tmp_path).scores(asked) == results.scores(asked)


def test_what_a_result_depends_on_is_not_mixed(tmp_path: Path) -> None:
    measure([Job(evaluation(), 1)], tmp_path, sources(tmp_path))
    for other in (evaluation(images=32), evaluation(dtype="bfloat16"), evaluation(digest="0")):
        assert read(other, tmp_path) == {}


def test_time_that_is_over_ends_an_evaluation(tmp_path: Path) -> None:
    results = measure([Job(evaluation(), 3)], tmp_path, sources(tmp_path), seconds=0.0)
    assert results.scores(evaluation()).accuracies == ()


@pytest.mark.slow
def test_several_processes_find_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "model", GHN(GHNConfig()), {"name": "tiny", "kind": "ghn"})
    job = Job(evaluation(method="tiny", digest="1", split="predefined"), 9, tmp_path / "model")
    alone = measure([job], tmp_path / "alone", sources(tmp_path))
    together = measure([job], tmp_path / "together", sources(tmp_path), processes=2)
    assert len(alone.scores(job.evaluation).accuracies) == 2
    assert alone.scores(job.evaluation) == together.scores(job.evaluation)


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="split"):
        measure([Job(evaluation(split="none"), 1)], tmp_path, sources(tmp_path))


@pytest.mark.parametrize("recipe", [SgdRecipe(epochs=3, batch_size=64), AdamRecipe(epochs=3, batch_size=64)])
def test_a_network_learns_and_goes_on_where_it_was(recipe: Recipe, tmp_path: Path) -> None:
    data = load_dataset("digits", image_size=8)
    graph = architecture_graph("train", 0, 2, bounds=SMALL)
    losses: list[float] = []
    whole = train_network(Network(graph), data, recipe, on_epoch=lambda epoch: losses.append(epoch.loss))
    assert losses[-1] < losses[0]
    trained = network_accuracy(graph, whole, data, data.test)
    assert trained > network_accuracy(graph, random_parameters(graph), data, data.test) + 20

    state = tmp_path / "state.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train_network(Network(graph), data, recipe, state_file=state, on_epoch=stop_after(2))
    assert state.exists()
    epochs: list[int] = []
    rest = train_network(
        Network(graph), data, recipe, state_file=state, on_epoch=lambda epoch: epochs.append(epoch.number)
    )
    assert epochs == [2, 3] and not state.exists()
    for name, value in whole.items():
        torch.testing.assert_close(rest[name], value)


def test_the_rate_warms_up_and_falls_over_all_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []

    def update(*arguments: Any) -> tuple[float, float]:
        rates.append(arguments[5])
        return 0.0, 0.0

    monkeypatch.setattr("training.loop.network_training._update", update)
    data = load_dataset("digits", image_size=8)
    network = Network(architecture_graph("train", 0, 2, bounds=SMALL))
    recipe = SgdRecipe(epochs=4, images=640, batch_size=64, learning_rate=0.1)
    train_network(network, data, recipe)
    plain, rates = rates, []
    train_network(network, data, replace(recipe, warmup=0.4))
    assert plain[0] == 0.1 and plain == sorted(plain, reverse=True) and len(plain) == 40
    assert rates[16:] == plain[16:] and rates[:15] == sorted(rates[:15]) and rates[0] == 0.1 / 16


def stop_after(epochs: int) -> Callable[[Epoch], None]:
    """A crash before the epoch is kept."""

    def stop(epoch: Epoch) -> None:
        if epoch.number == epochs:
            raise KeyboardInterrupt

    return stop


def test_the_page_shows_the_model_as_it_is_now(tmp_path: Path) -> None:
    def keep(asked: Evaluation, accuracies: list[float], changed: int) -> None:
        for index, accuracy in enumerate(accuracies):
            append(asked, Measurement(index, "x", accuracy, 1, 1.0), tmp_path, {"day": "2026-01-02"})
        os.utime(asked.file(tmp_path), (changed, changed))

    old = evaluation(method="ours", digest="old", split="id-test", dtype="bfloat16")
    keep(old, [90.0, 90.0, 90.0], 1000)
    keep(evaluation(method="ours", digest="new", split="id-test"), [40.0, 44.0], 2000)
    keep(evaluation(method="ours", digest="new", split="predefined"), [30.0, 20.0], 3000)
    text = page(read_all(tmp_path), tmp_path, tmp_path)
    assert "| ours | 42.0 ± 2.0 | 44.0 |  |  |  |  | 30.0 / 20.0 |" in text
    assert "90.0" not in text and "bfloat16" not in text
    assert "2 of id-test, 2 of predefined; digits, 64 test images; images of 8 pixels a side" in text


def test_the_same_networks_are_compared_one_by_one(tmp_path: Path) -> None:
    def keep(asked: Evaluation, accuracies: dict[int, float]) -> None:
        for index, accuracy in accuracies.items():
            append(asked, Measurement(index, "x", accuracy, 1, 1.0), tmp_path, {"day": "2026-01-02"})

    base = evaluation(method="ours", digest="d", split="id-test", dtype="bfloat16", images=512)
    keep(base, {0: 20.0, 1: 60.0, 2: 40.0, 3: 10.0})
    keep(replace(base, split="id-test-wide"), {0: 18.0, 1: 60.0})
    keep(replace(base, dtype="float32"), {1: 61.0, 2: 41.0, 7: 99.0})
    keep(replace(base, images=0), {0: 22.0, 1: 60.0, 2: 42.0})
    keep(replace(base, bn="recalibrate", calibration_batches=8), {0: 25.0, 1: 65.0, 2: 45.0})
    keep(replace(base, method="third", digest="e"), {0: 30.0, 1: 66.0})
    # One network says nothing of others; two things that differ are no comparison.
    keep(replace(base, method="fourth", digest="f"), {0: 90.0})
    keep(replace(base, dtype="float32", images=64), {0: 90.0, 1: 90.0})
    results = read_all(tmp_path)
    assert results.differences(replace(base, dtype="float32"), base).accuracies == (1.0, 1.0)
    text = page(results, tmp_path, tmp_path)
    for line in (
        "| id-test-wide | ours: the same networks wider, above ID-TEST | 2 | -1.00 ± 1.00 |",
        "| id-test | ours: float32, above bfloat16 | 2 | +1.00 ± 0.00 |",
        "| id-test | ours: all test images, above 512 of them | 3 | +1.33 ± 0.67 |",
        "| id-test | ours: recalibrated, above batch statistics | 3 | +5.00 ± 0.00 |",
        "| id-test | third, above ours | 2 | +8.00 ± 2.00 |",
    ):
        assert line in text, text
    assert "fourth, above" not in text and text.count("float32, above") == 1


def test_ablations_are_compared_network_by_network() -> None:
    def result(id_test: list[float], other: list[float]) -> dict[str, object]:
        accuracies = {"id-test": id_test, **{split: other for split in ("wide", "deep", "dense", "bn-free")}}
        numbers = {"steps": 10, "meta_batch": 4, "seconds": 5.0, "loss": 2.0}
        return {**numbers, "accuracies": accuracies}

    text = table([{"ghn2": result([20.0, 40.0], [30.0]), "mlp": result([10.0, 32.0], [30.0])}])
    # The networks differ by 20 points, the variants by 10 and 8.
    assert "| GHN-2 | 10 | 40 | 5 | 2.000 | 30.0 ± 10.0 |  | 30.0 ± 0.0 |  | 66.9 / 56.8 |" in text
    assert "| 21.0 ± 11.0 | -9.0 ± 1.0 | 30.0 ± 0.0 | +0.0 ± 0.0 | 42.2 / 32.2 |" in text
    assert table([{}]) == table([]) == "No results."
