"""Training one network from predicted weights: it learns, goes on exactly, and gives weights that load."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from service.contract.reading import read
from service.errors import InvalidRequest, TrainingDiverged, UnknownModel, UnsupportedOperator
from service.executor.networks import Network
from service.executor.statistics import BatchStatistics
from service.ghn.checkpoint import save_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from service.ghn.registry import load_model
from service.graph_io.archgraph import ArchGraph
from service.graph_io.torch_tracer import trace
from service.settings import get_settings
from tests.simulated_gpu import SimulatedGpu
from training.data.dataset import batches
from training.data.load import load_dataset
from training.evaluate.accuracy import measure, training_statistics
from training.finetune.config import FineTuning
from training.finetune.run import WEIGHTS, race_epochs, run
from training.finetune.starting_weights import (
    StartingWeights,
    predicted_weights,
    random_weights,
    trained_on,
    with_noise,
)
from training.loop.network_training import random_parameters

SMALL: dict[str, Any] = {
    "model": "tiny", "images": 256, "batch_size": 32, "epochs": 3, "learning_rate": 0.1,
    "start": "predicted", "head": "keep",
}  # fmt: skip


def small_network(classes: int = 10) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, classes),
    )  # fmt: skip


def graph_of(module: nn.Module, side: int = 8) -> ArchGraph:
    return trace(module, input_shape=(3, side, side))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the model `tiny`, a GHN of random weights that says it knows the digits."""
    torch.manual_seed(0)
    card = {"name": "tiny", "kind": "ghn", "dataset": "digits", "num_classes": 10}
    ghn = GHN(GHNConfig(hidden=8, max_channels=8, max_kernel=3))
    save_checkpoint(tmp_path / "home" / "models" / "tiny", ghn, card)
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()
    return tmp_path / "home"


def test_it_learns_and_the_weights_load(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = []
    network = small_network()
    result = run(
        graph_of(network), FineTuning(**SMALL, compare=True), tmp_path / "run", on_progress=records.append
    )
    assert result is not None and [entry["epoch"] for entry in result["history"]] == [0, 1, 2, 3]
    assert result["history"][3]["loss"] < result["history"][1]["loss"] < result["history"][0]["loss"]
    assert result["predicted"]["test_accuracy"] > 50 and result["random"]["test_accuracy"] > 50
    kept = result["verdict"]["better"]
    assert result["test_accuracy"] == result[kept]["test_accuracy"] and result["images"] == 256
    assert result["start"]["classifier"] == kept  # the GHN knows these classes
    assert [entry["stage"] for entry in records if entry["kind"] == "stage"] == [
        "reading the images",
        "predicting the weights",
    ]
    records = [entry for entry in records if entry["kind"] != "stage"]
    assert records[0]["kind"] == "data" and result["inventory"]["images"]["test"] == 360
    told = [entry["progress"] for entry in records[1:]]
    assert told == sorted(told) and told[-1] == 1.0

    tensors = load_file(tmp_path / "run" / WEIGHTS)
    assert result["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    network.load_state_dict(tensors)  # strict: running statistics are there
    data = load_dataset("digits", image_size=8)
    network.eval()
    with torch.no_grad():
        right = sum(int((network(x).argmax(1) == y).sum()) for x, y in batches(data, data.test, 90))
    assert 100 * right / len(data.test) == pytest.approx(result["test_accuracy"], abs=0.3)


def without_time(result: dict[str, Any] | None) -> dict[str, Any]:
    assert result is not None
    return {name: value for name, value in result.items() if name != "seconds"}


def test_an_interrupted_run_repeats_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, config = graph_of(small_network()), FineTuning(**SMALL, noise=0.1, compare=True)
    whole = without_time(run(graph, config, tmp_path / "whole"))

    def stop(record: dict[str, Any]) -> None:
        if (record["kind"], record.get("epoch")) in stops:
            stops.remove((record["kind"], record["epoch"]))
            os.kill(os.getpid(), signal.SIGTERM)

    stops = [("predicted", 0), ("predicted", 2), ("random", 1)]
    folder = tmp_path / "stopped"
    for _ in range(3):
        assert run(graph, config, folder, on_progress=stop) is None
    assert not (folder / WEIGHTS).exists()

    def crash(self: Any, *told: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("training.finetune.work.Work._measured", crash)
        run(graph, config, folder)
    assert without_time(run(graph, config, folder, on_progress=stop)) == whole and stops == []
    assert (folder / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_fewer_images_than_a_batch_are_one_batch(tmp_path: Path) -> None:
    graph = graph_of(small_network())
    few, whole = (
        run(graph, FineTuning(**{**SMALL, "images": 20, "batch_size": size}), tmp_path / f"{size}")
        for size in (64, 20)
    )
    assert few is not None and [entry["training_images"] for entry in few["history"]] == [20] * 4
    assert without_time(few) == without_time(whole)


def test_stopped_within_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, config = graph_of(small_network()), FineTuning(**SMALL)
    whole = without_time(run(graph, config, tmp_path / "whole"))
    monkeypatch.setattr("training.finetune.work._PULSE_SECONDS", 0.0)  # every batch tells
    pulses = 0

    def stop(record: dict[str, Any]) -> None:
        nonlocal pulses
        pulses += record["kind"] == "pulse"
        if record["kind"] == "pulse" and pulses in (3, 11):
            os.kill(os.getpid(), signal.SIGTERM)

    for _ in range(2):
        assert run(graph, config, tmp_path / "run", on_progress=stop) is None
    assert without_time(run(graph, config, tmp_path / "run", on_progress=stop)) == whole
    assert pulses == config.epochs * (256 // config.batch_size)  # none is computed twice
    assert (tmp_path / "run" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_on_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated one: tensors are where they should be, also when a run goes on."""
    monkeypatch.setattr("training.finetune.work.native_format", lambda device: torch.float32)
    graph, config = graph_of(small_network()), FineTuning(**{**SMALL, "images": 64, "epochs": 2})
    on_cpu = run(graph, config, tmp_path / "cpu")

    def stop(record: dict[str, Any]) -> None:
        if record.get("epoch") == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with SimulatedGpu() as gpu:
        assert run(graph, config, tmp_path / "gpu", on_progress=stop) is None
        on_gpu = run(graph, config, tmp_path / "gpu")
    assert gpu.operations > 500 and on_cpu is not None and on_gpu is not None
    for one, other in zip(on_cpu["history"], on_gpu["history"], strict=True):
        assert other == pytest.approx(one, rel=1e-2)
    assert load_file(tmp_path / "gpu" / WEIGHTS).keys() == load_file(tmp_path / "cpu" / WEIGHTS).keys()


def test_a_classifier_of_other_classes_is_not_taken_over() -> None:
    model, digits = load_model("tiny"), load_dataset("digits", image_size=8)
    graph = graph_of(small_network())
    assert trained_on(model.card, digits)
    strange = model.card.model_copy(update={"dataset": "cifar10"})
    assert not trained_on(strange, digits)
    known = predicted_weights(model, graph, digits).params
    other = predicted_weights(type(model)(strange, model.ghn), graph, digits)
    assert other.origin["classifier"] == "random"
    same = {name for name, value in known.items() if torch.equal(value, other.params[name])}
    assert set(known) - same == {"8.weight", "8.bias"}


def test_noise_tells_copies_of_a_channel_apart() -> None:
    params = {"w": torch.arange(4.0).repeat(2, 1), "b": torch.ones(2), "d": torch.ones(2, 2)}
    noisy = with_noise(params, {"w", "b"}, 0.1, seed=3)
    assert not torch.equal(noisy["w"][0], noisy["w"][1])
    assert torch.equal(noisy["b"], params["b"]) and torch.equal(noisy["d"], params["d"])
    assert torch.equal(with_noise(params, {"w"}, 0.1, seed=3)["w"], noisy["w"])
    assert float((noisy["w"] - params["w"]).abs().max()) < 0.5


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"epochs": -1}, "/epochs"),
        ({"images": 1}, "/images"),
        ({"batch_size": 1.5}, "/batch_size"),
        ({"learning_rate": 0}, "/learning_rate"),
        ({"learning_rate": 1e300}, "/learning_rate"),
        ({"learning_rate": float("nan")}, "/learning_rate"),
        ({"noise": -1}, "/noise"),
        ({"start": "warm"}, "/start"),
        ({"head": "cut"}, "/head"),
        ({"start": "random", "compare": True}, ""),
        ({"epoch": 3}, "/epoch"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(FineTuning, options)
    assert refused.value.extra["field"] == field


def plain_network() -> nn.Module:
    """Nothing in it keeps large numbers small: as many layers multiply what one step has made large."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(192, 16), *(nn.Linear(16, 16) for _ in range(5)), nn.Linear(16, 10)
    )


def test_a_loss_beyond_all_bounds_ends_it(tmp_path: Path) -> None:
    options = {**SMALL, "epochs": 20, "learning_rate": 10}
    with pytest.raises(TrainingDiverged, match=r"The loss (on validation images )?is") as ended:
        run(graph_of(plain_network()), FineTuning(**options), tmp_path / "run")
    problem = ended.value.problem()
    assert problem["field"] == "/learning_rate" and "to 1 or less" in problem["hint"]
    assert 1 < problem["step"] < problem["steps"] == 160
    assert problem["epoch"] == (problem["step"] - 1) // 8 + 1
    assert f"step {problem['step']} of 160 (epoch {problem['epoch']})" in problem["detail"]
    assert not (tmp_path / "run" / WEIGHTS).exists()


def test_a_start_that_is_not_finite_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def huge(graph: ArchGraph, **_: Any) -> StartingWeights:
        return StartingWeights(
            {name: value + 1e30 for name, value in random_parameters(graph).items()}, {"classifier": "random"}
        )

    monkeypatch.setattr("training.finetune.run.random_weights", huge)
    with pytest.raises(TrainingDiverged, match="before the first update") as ended:
        run(graph_of(plain_network()), FineTuning(**{**SMALL, "start": "random"}), tmp_path / "run")
    assert ended.value.extra["field"] == "/start"


def test_both_starts_race_and_the_better_goes_on_as_if_alone(tmp_path: Path) -> None:
    graph, told = graph_of(small_network()), []
    options = {**SMALL, "epochs": 3}
    raced = run(graph, FineTuning(**{**options, "start": "auto"}), tmp_path / "auto", on_progress=told.append)
    assert raced is not None
    epochs = {kind: [r["epoch"] for r in told if r["kind"] == kind] for kind in ("predicted", "random")}
    verdict = raced["verdict"]
    worse = "random" if verdict["better"] == "predicted" else "predicted"
    assert epochs == {verdict["better"]: [0, 1, 2, 3], worse: [0, 1]}
    assert verdict["after_epochs"] == 1 and verdict["images"] == 200 and verdict["points"] >= 0
    assert raced["rival"]["start"] == worse and [r["epoch"] for r in raced["rival"]["history"]] == [0, 1]
    assert f"he {verdict['better']} start " in verdict["sentence"]
    assert "of 200 validation images" in verdict["sentence"]
    shares = [record["progress"] for record in told if "progress" in record]
    assert shares == sorted(shares) and shares[-1] == 1.0
    alone = run(graph, FineTuning(**{**options, "start": verdict["better"]}), tmp_path / "alone")
    assert alone is not None and alone["verdict"] is None and alone["history"] == raced["history"]
    assert (tmp_path / "auto" / WEIGHTS).read_bytes() == (tmp_path / "alone" / WEIGHTS).read_bytes()


def test_a_race_takes_a_tenth_of_the_epochs() -> None:
    assert [race_epochs(epochs) for epochs in (0, 1, 5, 10, 11, 30)] == [0, 1, 1, 1, 2, 3]


def test_the_better_start_is_kept_where_both_are_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prediction of nothing at all loses, and its weights are not written."""
    nothing = {
        name: torch.zeros_like(value) for name, value in random_parameters(graph_of(small_network())).items()
    }
    monkeypatch.setattr(
        "training.finetune.run.predicted_weights",
        lambda *_, **__: StartingWeights(nothing, {"start": "predicted", "classifier": "random"}),
    )
    result = run(graph_of(small_network()), FineTuning(**SMALL, compare=True), tmp_path / "run")
    assert result is not None and result["start"]["start"] == result["verdict"]["better"] == "random"
    assert (
        result["test_accuracy"]
        == result["random"]["test_accuracy"]
        > result["predicted"]["test_accuracy"] + 20
    )
    assert result["verdict"]["points"] > 20 and result["verdict"]["after_epochs"] == 3
    assert float(load_file(tmp_path / "run" / WEIGHTS)["0.weight"].abs().max()) > 0


def test_a_start_that_diverges_gives_way_to_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def huge(graph: ArchGraph, **_: Any) -> StartingWeights:
        params = {name: value + 1e30 for name, value in random_parameters(graph).items()}
        return StartingWeights(params, {"start": "random", "classifier": "random"})

    monkeypatch.setattr("training.finetune.run.random_weights", huge)
    options = {**SMALL, "start": "auto", "learning_rate": 0.01}
    result = run(graph_of(plain_network()), FineTuning(**options), tmp_path / "run")
    assert result is not None and result["verdict"]["better"] == "predicted"
    assert "the random start diverged" in result["verdict"]["sentence"]


def test_both_starts_vary_with_the_seed() -> None:
    model, digits = load_model("tiny"), load_dataset("digits", image_size=8)
    graph = graph_of(small_network())
    strange = type(model)(model.card.model_copy(update={"dataset": "cifar10"}), model.ghn)
    for start in (
        lambda seed: random_weights(graph, seed=seed).params,
        lambda seed: predicted_weights(strange, graph, digits, noise=0.5, seed=seed).params,
    ):
        assert all(torch.equal(value, start(3)[name]) for name, value in start(3).items())
        changed = {name for name, value in start(3).items() if not torch.equal(value, start(4)[name])}
        assert {"0.weight", "3.weight", "8.weight"} <= changed


def test_the_last_layer_is_solved(tmp_path: Path) -> None:
    """Without any training: better than guessing by far, and ready for `eval()`."""
    network = small_network()
    options = {**SMALL, "head": "solve", "epochs": 0, "images": None}
    result = run(graph_of(network), FineTuning(**options), tmp_path / "run")
    assert result is not None and result["start"]["classifier"] == "solved" and result["kept_epoch"] == 0
    assert result["test_accuracy"] > 60 and [entry["epoch"] for entry in result["history"]] == [0]
    network.load_state_dict(load_file(tmp_path / "run" / WEIGHTS))
    data = load_dataset("digits", image_size=8)
    network.eval()
    with torch.no_grad():
        right = sum(int((network(x).argmax(1) == y).sum()) for x, y in batches(data, data.test, 90))
    assert 100 * right / len(data.test) == pytest.approx(result["test_accuracy"], abs=0.3)


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    """A step far too large after a solved layer: the start itself is better than what comes of it."""
    options = {**SMALL, "head": "solve", "epochs": 1, "learning_rate": 10, "images": None}
    result = run(graph_of(small_network()), FineTuning(**options), tmp_path / "run")
    assert result is not None and result["kept_epoch"] == 0
    assert result["history"][0]["validation_accuracy"] > result["history"][1]["validation_accuracy"]
    untrained = run(graph_of(small_network()), FineTuning(**{**options, "epochs": 0}), tmp_path / "untrained")
    assert untrained is not None and untrained["test_accuracy"] == result["test_accuracy"]
    assert (tmp_path / "run" / WEIGHTS).read_bytes() == (tmp_path / "untrained" / WEIGHTS).read_bytes()


def test_every_accuracy_says_of_how_many_images(tmp_path: Path) -> None:
    result = run(graph_of(small_network()), FineTuning(**{**SMALL, "images": 250}), tmp_path / "run")
    assert result is not None and result["test_images"] == 360
    # Training leaves out what fills no batch.
    assert [entry["training_images"] for entry in result["history"]] == [250, 224, 224, 224]
    assert {entry["validation_images"] for entry in result["history"]} == {200}


def test_one_pass_measures_the_start_and_gathers_its_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, config, passes = graph_of(small_network()), FineTuning(**{**SMALL, "epochs": 1}), []

    def gather(*values: Any) -> BatchStatistics:
        passes.append(values)
        return training_statistics(*values)

    monkeypatch.setattr("training.finetune.work.training_statistics", gather)
    result = run(graph, config, tmp_path / "run")
    assert result is not None and len(passes) == 1  # after the epoch; its test takes the same
    dataset = load_dataset("digits", image_size=8)
    network, params = Network(graph), predicted_weights(load_model("tiny"), graph, dataset).params
    before = result["history"][0]
    accuracy, loss = measure(network, params, dataset, dataset.train, limit=256)
    assert before["training_accuracy"] == pytest.approx(accuracy, abs=1e-3)
    assert before["loss"] == pytest.approx(loss, abs=1e-4)
    statistics = training_statistics(network, params, dataset, 256)
    accuracy, loss = measure(
        network, params, dataset, dataset.validation, limit=1000, statistics=statistics
    )  # fmt: skip
    assert before["validation_accuracy"] == pytest.approx(accuracy, abs=1e-3)
    assert before["validation_loss"] == pytest.approx(loss, abs=1e-4)


def test_what_does_not_fit_is_refused_before_training(tmp_path: Path) -> None:
    def refusal(module: nn.Module, **options: Any) -> InvalidRequest:
        with pytest.raises(InvalidRequest) as refused:
            run(graph_of(module), FineTuning(**{**SMALL, **options}), tmp_path / "run")
        return refused.value

    found = refusal(small_network(classes=7))
    assert (
        found.extra["field"] == "/architecture"
        and "7 outputs" in found.detail
        and "10 classes" in found.detail
    )
    flat = nn.Sequential(nn.Flatten(), nn.Linear(192, 10))
    assert refusal(flat, image_size=16).extra["field"] == "/image_size"
    assert refusal(small_network(), data="none-such").extra["field"] == "/data"
    with pytest.raises(UnknownModel):
        run(graph_of(small_network()), FineTuning(model="none-such"), tmp_path / "run")
    recurrent = nn.Sequential(nn.Flatten(2), nn.LSTM(64, 8, batch_first=True))
    with pytest.raises(UnsupportedOperator):
        run(graph_of(recurrent), FineTuning(), tmp_path / "run")
    assert not (tmp_path / "run").exists()
