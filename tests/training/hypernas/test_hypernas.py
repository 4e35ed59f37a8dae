"""Training HyperNAS: the objective, learning from few cells, resuming, the job's process."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.contract.reading import read
from service.errors import InvalidArchitecture, InvalidInput, InvalidRequest
from service.predictors.hypernas.cell_graph import read_cell
from service.predictors.hypernas.checkpoint import load_checkpoint
from service.predictors.hypernas.config import HyperNASConfig
from service.predictors.regressors.few_shot import rank_correlation
from service.settings import Settings, get_settings
from service.workers.job_process import PROBLEM, REFUSED, RESULT
from tests.job_runs import run_job
from tests.training.data.image_files import write_images
from training.hypernas.cells import Observed, observed, random_cell, read_observations
from training.hypernas.config import HyperNASRun
from training.hypernas.objective import AdaptiveObjective
from training.hypernas.run import run
from training.hypernas.trainer import HyperNASTrainer, scores

TINY: dict[str, Any] = {"hidden": 16, "regressor_hidden": 16, "hypernetwork_hidden": 16}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Graphs of eight nodes: a second thread only spins."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def worth(document: Any) -> float:
    """Made-up accuracies: convolutions help, pools harm."""
    cell = read_cell(document, "nasbench201", prune=True)
    count = cell.operations.count
    return 60 + 4 * count("conv3x3") + 2 * count("conv1x1") - 3 * count("avg_pool")


def observations(count: int, seed: int = 0) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    documents = [dict(random_cell("nasbench201", random)) for _ in range(count)]
    return [{"architecture": document, "value": worth(document)} for document in documents]


def learned_from(items: list[dict[str, Any]], config: HyperNASRun) -> Observed:
    readings = read_observations(items, config.model)
    return observed(readings.batch(), readings.value_N)


def trainer(items: list[dict[str, Any]], **options: Any) -> HyperNASTrainer:
    model = {**TINY, "tasks": "accuracy", **options.pop("model", {})}
    config = HyperNASRun(**{"data": "digits", "steps": 60, **options, "model": HyperNASConfig(**model)})
    return HyperNASTrainer(config, learned_from(items, config))


def test_objective_by_hand() -> None:
    objective = AdaptiveObjective(2, 1.5)
    with torch.no_grad():
        objective.u_T.copy_(torch.tensor([0.5, 2.0]))
    losses = [torch.tensor(0.16, requires_grad=True), torch.tensor(2.0, requires_grad=True)]
    total = objective(dict(enumerate(losses)))
    expected = 0.16**0.75 / 0.5 + log(1.25) + 2**0.75 / 8 + log(5)
    assert float(total.detach()) == pytest.approx(expected, rel=1e-6)
    total.backward()
    assert float(losses[0].grad) == pytest.approx(0.75 * 0.16**-0.25 / 0.5, rel=1e-5)  # type: ignore[arg-type]
    alone = objective({1: torch.tensor(2.0)})
    assert float(alone.detach()) == pytest.approx(2**0.75 / 8 + log(5), rel=1e-6)
    assert float(objective.u_T.grad[1]) == pytest.approx(-(2**0.75) / 8 + 4 / 5, rel=1e-5)  # type: ignore[index]


def test_the_objective_with_two_is_the_usual_one_and_less_prefers_the_smaller_loss() -> None:
    losses = [0.1, 2.0]

    def share(preference: float) -> float:
        tensors = [torch.tensor(loss, requires_grad=True) for loss in losses]
        AdaptiveObjective(2, preference)(dict(enumerate(tensors))).backward()
        first, second = (float(tensor.grad) for tensor in tensors)  # type: ignore[arg-type]
        return first / (first + second)

    assert share(2.0) == pytest.approx(0.5)
    assert share(1.25) > share(1.5) > share(2.0) > share(3.0)


def test_weights_of_the_tasks_settle_where_the_objective_is_least() -> None:
    objective = AdaptiveObjective(1, 2.0)
    with torch.no_grad():
        objective.u_T.fill_(1.5)
    optimizer = torch.optim.Adam(objective.parameters(), lr=0.05)
    for _ in range(120):
        optimizer.zero_grad()
        objective({0: torch.tensor(1.0)}).backward()
        optimizer.step()
    # -1 / u^3 + 2 u / (1 + u^2) = 0 at u = 1 for a loss of one.
    assert float(objective.u_T.detach()[0]) == pytest.approx(1.0, abs=1e-2)


@pytest.mark.parametrize("encoding", ["propagated", "isolated"])
def test_it_ranks_what_it_has_not_seen(encoding: str) -> None:
    items, others = observations(60), observations(200, seed=1)
    learned = trainer(items, model={"encoding": encoding})
    unseen = read_observations(others, learned.config.model)
    before = rank_correlation(scores(learned.hypernas, unseen.batch()), unseen.value_N)
    learned.run_until_done()
    after = rank_correlation(scores(learned.hypernas, unseen.batch()), unseen.value_N)
    assert after > 0.75 and after > before


def test_both_losses_fall_together() -> None:
    items = observations(30)
    both = trainer(
        items, steps=50, weight_steps=1, networks=1, images=32, image_size=8, model={"tasks": "both"}
    )
    records = [both.train_step() for _ in range(50)]
    for name in ("accuracy_loss", "weight_loss"):
        first, last = (np.mean([one[name] for one in part]) for part in (records[:8], records[-8:]))
        assert last < 0.92 * first
    assert both.objective is not None and not torch.equal(both.objective.u_T.detach(), torch.ones(2))


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    config = HyperNASRun(
        data="digits",
        steps=6,
        networks=1,
        weight_steps=2,
        images=8,
        image_size=8,
        log_steps=1,
        model=HyperNASConfig(**TINY, dropout=0.2),
        seed=3,
    )
    items = observations(12)
    run(config, tmp_path / "whole", items)

    def stop(record: dict[str, Any]) -> None:
        if record["step"] == 3:
            signal.raise_signal(signal.SIGTERM)

    assert run(config, tmp_path / "parts", items, on_progress=stop) is None
    card = json.loads((tmp_path / "parts" / "model" / "card.json").read_text())
    assert (card["training"]["steps"], card["scores"]) == (3, {}), "the model as it was then, not measured"
    assert run(config, tmp_path / "parts", items) is not None
    whole, parts = (load_checkpoint(tmp_path / name / "model") for name in ("whole", "parts"))
    for name, value in whole.hypernas.state_dict().items():
        assert torch.equal(value, parts.hypernas.state_dict()[name]), name
    lines = (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 6]


def test_random_cells_are_networks() -> None:
    random = np.random.default_rng(0)
    for space in ("nasbench201", "nasbench101"):
        cells = [read_cell(random_cell(space, random), space, prune=True) for _ in range(50)]
        assert all(cell.edges for cell in cells)
        assert len(set(cells)) > 30


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"steps": 1, "minutes": 1.0},
        {"steps": 0},
        {"steps": 1, "batch": 0},
        {"steps": 1, "held_out": 0.9},
        {"steps": 1, "colour": "red"},
        {"steps": 1, "model": {"hidden": -1}},
        {"steps": 1, "model": {"colour": "red"}},
    ],
)
def test_configuration_refuses_nonsense(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        read(HyperNASRun, options)


def test_observations_are_checked() -> None:
    with pytest.raises(InvalidRequest, match="4 different networks"):
        trainer(observations(4))
    items = observations(6)
    items[2] = {"architecture": {"format": "nasbench201", "cell": "|other~0|"}, "value": 1}
    with pytest.raises(InvalidArchitecture) as caught:
        trainer(items)
    assert caught.value.extra["observation"] == 2
    config = HyperNASRun(data="digits", steps=1, model=HyperNASConfig(**TINY, num_classes=100))
    with pytest.raises(InvalidRequest, match="classes"):
        HyperNASTrainer(config, learned_from(observations(6), config))


def test_observations_are_read_as_a_fitted_predictor_reads_them() -> None:
    config = HyperNASRun(data="digits", steps=1, model=HyperNASConfig(**TINY, tasks="accuracy")).model
    one = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    other = "|nor_conv_1x1~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    items: list[Any] = [
        {"architecture": {"format": "nasbench201", "cell": one, "num_classes": 100}, "value": 90, "seed": 1},
        {"architecture": {"format": "nasbench201", "cell": one, "num_classes": 100}, "value": 94, "seed": 2},
        {"format": "nasbench201", "cell": other, "value": 80.0, "seed": 1},
        {"architecture": f"nasbench201:{other}", "value": None, "seed": 2},
        {"arch_str": f"Structure(4 nodes with {other})", "value": float("nan"), "seed": 3},
        {"architecture": {"format": "nasbench201", "cell": [0, 4, 0, 3, 0, 2]}, "value": 70, "seed": 1},
    ]
    readings = read_observations(items, config)
    assert readings.value_N.tolist() == [92.0, 80.0, 70.0]
    assert (readings.tally.used, readings.tally.networks, readings.tally.failed) == (4, 3, 2)
    assert readings.cell_N[1] == read_cell(
        {"format": "nasbench201", "cell": other}, "nasbench201", prune=True
    )


def test_a_run_keeps_the_names_of_its_classes(tmp_path: Path) -> None:
    photos = write_images(tmp_path / "photos", {"cat": 8, "dog": 8, "elk": 8})
    config = HyperNASRun(
        name="mine", data=str(photos), steps=1, networks=1, images=4, image_size=8,
        model=HyperNASConfig(**TINY, tasks="weights"),
    )  # fmt: skip
    assert run(config, tmp_path / "run", []) is not None
    card = json.loads((tmp_path / "run" / "model" / "card.json").read_text())
    assert card["classes"] == ["cat", "dog", "elk"] and card["data_path"] == str(photos)
    (photos / "elk").rename(photos / "fox")
    with pytest.raises(
        InvalidRequest, match=r"'mine' learns the classes cat, dog, elk; the data have cat, dog, fox"
    ):
        run(replace(config, steps=2), tmp_path / "run", [])


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path))
    get_settings.cache_clear()
    return get_settings()


def job(settings: Settings, name: str, config: dict[str, Any]) -> tuple[int, Path]:
    folder = settings.home / "runs" / name
    return run_job("hypernas", folder, {"observations": observations(8), **config}, name), folder


def generator_of_weights(settings: Settings, name: str) -> dict[str, Any]:
    """Train a model that generates weights alone, which no job does. Returns the result."""
    config = HyperNASRun(
        name=name, data="digits", steps=3, networks=1, images=8, image_size=8,
        model=HyperNASConfig(**TINY, tasks="weights"),
    )  # fmt: skip
    folder = settings.home / "runs" / name
    result = run(config, folder, [])
    assert result is not None
    (settings.home / "models").mkdir(exist_ok=True)
    (folder / "model").rename(settings.home / "models" / name)
    return result


def test_jobs_leave_a_model_that_the_next_one_starts_from(settings: Settings) -> None:
    tiny = {"steps": 3, "networks": 1, "images": 8, "image_size": 8}
    result = generator_of_weights(settings, "weights")
    assert result["steps"] == 3 and 0 <= result["scores"]["accuracy_of_generated"] <= 1

    config = {**tiny, "steps": 60, "observations": observations(60), "from_model": "weights"}
    status, second = job(settings, "mine", {**config, "model": {"hidden": 16, "tasks": "accuracy"}})
    assert status == 0
    result = json.loads((second / RESULT).read_text())
    low, high = result["scores"]["interval"]
    assert low <= result["scores"]["kendall_tau"] <= high
    counted = result["observations"]
    assert (counted["used"], counted["failed"]) == (60, 0) and counted["networks"] < 60
    assert result["scores"]["held_out"] == counted["networks"] // 5
    card = json.loads((second / "model" / "card.json").read_text())
    assert card["kind"] == "hypernas" and card["training"]["property"] == "accuracy"
    assert load_checkpoint(second / "model").hypernas.hypernetwork is None


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"data_dir": "/etc"}, "/config/data_dir"),
        ({"data": "../outside"}, "/config/data"),
        ({"observations": 3}, "/config/observations"),
        ({"property": ""}, "/config/property"),
        ({"from_model": "no-such-model"}, "/config/from_model"),
        ({"from_model": "ghn2-cifar10"}, "/config/from_model"),
        ({"no_such_option": 1}, "/config/no_such_option"),
        ({"model": {"hidden": "wide"}}, "/config/model/hidden"),
        ({"observations": [], "model": {"tasks": "accuracy"}}, "/config/observations"),
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


def test_other_models_cannot_be_started_from(settings: Settings) -> None:
    generator_of_weights(settings, "a")
    config = HyperNASRun(data="digits", steps=1, from_model="a", model=HyperNASConfig(**TINY))
    seen = learned_from(observations(6), config)
    assert HyperNASTrainer(config, seen).hypernas.hypernetwork is not None
    with pytest.raises(InvalidInput, match="another shape"):
        HyperNASTrainer(replace(config, model=replace(config.model, hidden=8)), seen)
