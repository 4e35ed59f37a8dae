"""Training SMASH, its score and controls, ranking by it, and the job's process."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.contract.reading import read
from service.errors import InvalidRequest, UnknownModel
from service.executor.networks import Network
from service.graph_io.cells.smash import build_smash, parse_smash
from service.predictors.rankers.ranking import Candidate, find_ranker, rank
from service.predictors.smash.checkpoint import load_checkpoint
from service.settings import Settings, get_settings
from service.workers.job_process import PROBLEM, REFUSED, RESULT
from tests.job_runs import run_job
from training.data.dataset import sample_batch
from training.data.load import load_dataset
from training.evaluate.accuracy import measure
from training.smash.config import SmashRun
from training.smash.ranker import SmashRanker
from training.smash.run import run
from training.smash.score import DESCRIPTIONS, generated_weights, smash_score
from training.smash.trainer import _STEP_STREAM, SmashTrainer

SPACE = {"unit": 8, "blocks": 1, "banks": 2, "bank_units": 1, "layer_units": 1, "layers": 2, "kernels": (3,)}
TINY: dict[str, Any] = {
    "model": {**SPACE, "dilations": (1,), "groups": (1,), "hidden": 16, "depth": 1},
    "image_size": 8,
    "images": 16,
    "validate_networks": 2,
    "validate_images": 64,
    "validate_steps": 0,
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def learned() -> SmashTrainer:
    """A short training, long enough that networks are better than guessing."""
    options = {**TINY, "steps": 100, "images": 32, "learning_rate": 0.02, "validate_networks": 8}
    trainer = SmashTrainer(read(SmashRun, options))
    records = [trainer.train_step() for _ in range(100)]
    first, last = (np.mean([record["loss"] for record in part]) for part in (records[:10], records[-10:]))
    assert last < 0.9 * first
    return trainer


def test_networks_with_generated_weights_are_better_than_guessing(learned: SmashTrainer) -> None:
    assert np.mean(learned.scores()) > 20


def test_the_score_is_that_of_the_generated_weights(learned: SmashTrainer) -> None:
    document = learned._draw(np.random.default_rng(7))
    assert len(document["blocks"][0]["layers"]) == 2
    dataset, found = learned.dataset, []
    for description in DESCRIPTIONS:
        weights = generated_weights(learned.smash, document, description)
        network = Network(build_smash(parse_smash(document)))
        for dtype in (torch.float32, torch.bfloat16):
            expected = measure(network, weights, dataset, dataset.validation, limit=64, dtype=dtype)
            options: dict[str, Any] = {"images": 64, "description": description, "dtype": dtype}
            assert smash_score(learned.smash, document, dataset, **options) == expected
        found.append(torch.cat([weights[name].flatten() for name in sorted(weights)]))
    assert not torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_what_layers_do_still_changes_their_weights_after_training(learned: SmashTrainer) -> None:
    """At the full learning rate the hypernetwork forgets it: 0.16 instead of 0.57."""
    changes = []
    for seed in range(12):
        document = learned._draw(np.random.default_rng(seed))
        true, other = (generated_weights(learned.smash, document, of) for of in ("true", "nothing"))
        changes += [
            float((weight - other[name]).norm() / weight.norm())
            for name, weight in true.items()
            if name.endswith("reduce.weight")
        ]
    assert np.mean(changes) > 0.35


def test_networks_side_by_side_give_the_step_of_one_thread() -> None:
    config = read(SmashRun, {**TINY, "steps": 3, "networks": 3, "bfloat16": False})
    one, several = (SmashTrainer(config, threads=threads) for threads in (1, 3))
    for _ in range(3):
        assert one.train_step() == several.train_step()
    for (name, value), other in zip(one.smash.named_parameters(), several.smash.parameters(), strict=True):
        assert torch.equal(value, other), name


def test_the_gradient_is_that_of_the_mean_loss_of_a_step() -> None:
    trainer = SmashTrainer(read(SmashRun, {**TINY, "steps": 1, "networks": 2, "bfloat16": False}))
    record = trainer.backward()
    gradients = [parameter.grad for parameter in trainer.smash.parameters()]
    random = np.random.default_rng([0, _STEP_STREAM, 0])
    losses = []
    for _ in range(2):
        network = parse_smash(trainer._draw(random))
        chosen = random.integers(len(trainer.dataset.train), size=16)
        images, labels = sample_batch(trainer.dataset, chosen, random)
        logits = Network(build_smash(network))(images, trainer.smash(network))
        losses.append(torch.nn.functional.cross_entropy(logits, labels))
    mean = torch.stack(losses).mean()
    assert record["loss"] == pytest.approx(float(mean.detach()), rel=1e-5)
    expected = torch.autograd.grad(mean, list(trainer.smash.parameters()), allow_unused=True)
    for gradient, wanted in zip(gradients, expected, strict=True):
        assert (gradient is None) == (wanted is None)
        if gradient is not None and wanted is not None:
            assert torch.allclose(gradient, wanted, atol=1e-6)


def test_a_run_computes_with_one_thread_an_operator(tmp_path: Path) -> None:
    """Two of them spin on operators as small as these, where the machine has other work."""
    seen = []

    def note(record: dict[str, Any]) -> None:
        if record["kind"] == "train":
            seen.append(torch.get_num_threads())

    torch.set_num_threads(2)
    try:
        assert run(read(SmashRun, {**TINY, "steps": 2, "log_steps": 1}), tmp_path, on_progress=note)
        assert seen == [1, 1] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    options = {**TINY, "steps": 6, "validate_steps": 2, "log_steps": 1, "networks": 2, "seed": 3}
    config = read(SmashRun, options)
    assert run(config, tmp_path / "whole") is not None

    def stop(record: dict[str, Any]) -> None:
        if record.get("step") == 3:
            signal.raise_signal(signal.SIGTERM)

    assert run(config, tmp_path / "parts", on_progress=stop) is None
    card = json.loads((tmp_path / "parts" / "model" / "card.json").read_text())
    assert (card["training"]["steps"], card["scores"]) == (3, {}), "the model as it was then, not measured"
    with pytest.raises(InvalidRequest, match="another model"):
        run(replace(config, model=replace(config.model, hidden=9)), tmp_path / "parts")
    assert run(config, tmp_path / "parts") is not None
    whole, parts = (load_checkpoint(tmp_path / name / "model") for name in ("whole", "parts"))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name
    records = [json.loads(line) for line in (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert [record["step"] for record in records if "validation" in record] == [2, 4, 6]
    for record in records:
        assert 0 <= record.get("validation", 0) <= 100 and record["loss"] > 0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"steps": 1, "minutes": 1.0},
        {"steps": 0},
        {"steps": 1, "images": 1},
        {"steps": 1, "networks": 0},
        {"steps": 1, "colour": "red"},
        {"steps": 1, "model": {"hidden": -1}},
        {"steps": 1, "model": {"colour": "red"}},
        {"steps": 1, "model": {"num_classes": 3}},
        {"steps": 1, "model": {"blocks": 5}, "image_size": 8},
    ],
)
def test_configuration_refuses_nonsense(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        read(SmashRun, options)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path))
    monkeypatch.setenv("WEIGHTCAST_THREADS", "1")
    get_settings.cache_clear()
    return get_settings()


def job(settings: Settings, name: str, config: dict[str, Any]) -> tuple[int, Path]:
    folder = settings.home / "runs" / name
    return run_job("smash", folder, config, name), folder


def test_a_job_leaves_a_model_that_ranks(settings: Settings) -> None:
    status, folder = job(settings, "mine", {**TINY, "steps": 3, "data": "digits"})
    assert status == 0
    result = json.loads((folder / RESULT).read_text())
    scores = result["scores"]
    assert result["steps"] == 3 and (scores["networks"], scores["images"]) == (2, 64)
    assert all(0 <= scores[name] <= 100 for name in ("mean", "mean_permuted", "mean_undescribed"))
    card = json.loads((folder / "model" / "card.json").read_text())
    assert (card["kind"], card["dataset"], card["num_classes"]) == ("smash", "digits", 10)

    (settings.home / "models").mkdir()
    (folder / "model").rename(settings.home / "models" / "mine")
    dataset = load_dataset("digits")  # 16 pixels; the model was trained on 8
    ranker = SmashRanker("mine", dataset, by="loss", images=64)
    trainer = SmashTrainer(read(SmashRun, {**TINY, "steps": 1}))
    random = np.random.default_rng(0)
    documents = [trainer._draw(random) for _ in range(3)]
    others = [{"format": "nasbench201", "cell": "|x~0|"}, {**documents[0], "num_classes": 4}]
    answer = rank([Candidate(*pair) for pair in enumerate([*documents, *others])], ranker).as_json()
    assert answer["predictor"] == "smash:mine" and "64 validation images of digits" in answer["note"]
    assert sorted(row["index"] for row in answer["ranking"]) == [0, 1, 2]
    losses = [row["loss"] for row in answer["ranking"]]
    assert losses == sorted(losses)
    smash, best = load_checkpoint(settings.home / "models" / "mine"), answer["ranking"][0]
    _, loss = smash_score(smash, documents[best["index"]], dataset.resized(8), images=64)
    assert best["loss"] == pytest.approx(loss, rel=0.02)  # the ranker may compute in bfloat16
    reasons = {item["index"]: item["problem"]["field"] for item in answer["skipped"]}
    assert reasons == {3: "/format", 4: "/num_classes"}

    with pytest.raises(InvalidRequest, match="need images") as caught:
        find_ranker("mine", None)
    assert "smash:mine" in caught.value.extra["hint"]
    with pytest.raises(InvalidRequest, match="is a ghn"):
        SmashRanker("ghn2-cifar10", dataset)
    with pytest.raises(UnknownModel):
        SmashRanker("none-such", dataset)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"data_dir": "/etc", "steps": 1}, "/config/data_dir"),
        ({"data": "../outside", "steps": 1}, "/config/data"),
        ({}, "/config"),
        ({"steps": 1, "no_such_option": 1}, "/config/no_such_option"),
        ({"steps": 1, "model": {"kernels": [2]}}, "/config/model/kernels"),
    ],
)
def test_a_wrong_request_leaves_a_problem_document(
    settings: Settings, config: dict[str, Any], field: str
) -> None:
    status, folder = job(settings, "mine", config)
    assert status == REFUSED
    problem = json.loads((folder / PROBLEM).read_text())
    assert problem["status"] == 422 and problem["field"] == field
    assert not (folder / "model").exists()
