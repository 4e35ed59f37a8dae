"""POST and GET /training-jobs: what is recorded, what is refused."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import httpx
import pytest

from service.api.architectures import NASBENCH201_EXAMPLE, TORCHVISION_EXAMPLE
from service.api.training.schemas import TRAINING_EXAMPLE
from service.contract.finetune import FineTuneOptions, Tuning
from service.contract.ghn import GHNOptions, GHNTraining, TrainingStage
from service.contract.kinds import KINDS
from service.contract.reading import read, written
from service.contract.search import SearchOptions
from service.ghn.config import GHNConfig
from service.search.answer import answer
from service.settings import Settings
from service.store.artifacts import ArtifactStore
from service.store.connection import connect
from service.store.jobs import JobStore
from service.store.workers import WorkerInfo, WorkerRegistry
from tests.job_events import events_of
from tests.predictors.rankers.test_ranking import cell
from training.finetune.config import FineTuning, tuning
from training.ghn.job import configured
from training.ghn.recipe import DIGITS_STAGES, Stage, TrainConfig

from .checks import assert_problem


@pytest.fixture
def store(api_settings: Settings) -> JobStore:
    WorkerRegistry(connect(api_settings)).announce(WorkerInfo(queue="training", name="fake:2"), 600)
    return JobStore.from_settings(api_settings)


def request(**config: Any) -> dict[str, Any]:
    return {"kind": "ghn", "name": "mine", "config": {"steps": 10, **config}}


async def test_a_job_that_has_ended_is_deleted(
    client: httpx.AsyncClient, store: JobStore, api_settings: Settings
) -> None:
    job = (await client.post("/training-jobs", json=request())).json()
    run = api_settings.home / "runs" / job["id"]
    run.mkdir(parents=True)
    path = f"/training-jobs/{job['id']}"
    assert_problem(await client.delete(path), 409, "conflict")
    assert run.exists() and (await client.get(job["links"]["self"])).status_code == 200
    await client.delete(job["links"]["self"])
    assert (await client.delete(path)).status_code == 204
    assert not run.exists() and events_of(store, job["id"]) == []
    assert_problem(await client.get(job["links"]["self"]), 404, "not-found")
    assert_problem(await client.delete(path), 404, "not-found")
    assert (await client.get("/training-jobs")).json()["jobs"] == []


async def test_a_job_is_queued_with_what_was_said(client: httpx.AsyncClient, store: JobStore) -> None:
    response = await client.post(
        "/training-jobs", json=request(seed=3, ghn={"hidden": 16}, stages=[{"images": 8}])
    )
    assert response.status_code == 202, response.text
    job = store.get(response.json()["id"])
    assert job is not None and (job.kind, job.queue) == ("training", "training")
    assert job.payload == {
        "kind": "ghn",
        "name": "mine",
        "config": {"steps": 10, "seed": 3, "ghn": {"hidden": 16}, "stages": [{"images": 8}]},
    }
    assert store.queue_depth("training") == 1
    listed = (await client.get("/training-jobs")).json()
    assert [entry["id"] for entry in listed["jobs"]] == [job.id] and listed["next_cursor"] is None


async def test_a_name_is_trained_once(client: httpx.AsyncClient, store: JobStore) -> None:
    first = await client.post("/training-jobs", json=request())
    problem = assert_problem(await client.post("/training-jobs", json=request(seed=1)), 409, "conflict")
    assert problem["job"] == first.json()["links"]["self"]
    taken = {**request(), "name": "test-ghn"}
    assert_problem(await client.post("/training-jobs", json=taken), 409, "conflict")
    assert (await client.post("/training-jobs", json={**taken, "replace": True})).status_code == 202
    shipped = {**taken, "name": "ghn2-cifar10", "replace": True}
    assert_problem(await client.post("/training-jobs", json=shipped), 409, "conflict")


async def test_an_idempotency_key(client: httpx.AsyncClient, store: JobStore) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await client.post("/training-jobs", json=request(), headers=headers)
    again = await client.post("/training-jobs", json=request(), headers=headers)
    assert again.json()["id"] == first.json()["id"] and again.status_code == 202
    assert_problem(await client.post("/training-jobs", json=request(seed=5), headers=headers), 422)


WRONG: dict[str, Any] = {
    "no budget": {"kind": "ghn", "name": "mine", "config": {}},
    "two budgets": request(minutes=1),
    "a budget without end": {"kind": "ghn", "name": "mine", "config": {"minutes": 1e9}},
    "no name": {"kind": "ghn", "config": {"steps": 1}},
    "a path as name": {**request(), "name": "../x"},
    "unknown kind": {**request(), "kind": "gan"},
    "unknown option": request(learning_rat=0.1),
    "a folder elsewhere": request(data="../../etc"),
    "paths of the machine": request(data_dir="/etc"),
    "a negative rate": request(learning_rate=-1),
    "a rate as text": request(learning_rate="fast"),
    "hidden not divisible by 4": request(ghn={"hidden": 30}),
    "stages that end early": request(stages=[{"until": 0.5}]),
    "no stages": request(stages=[]),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_refused(client: httpx.AsyncClient, store: JobStore, name: str) -> None:
    assert_problem(await client.post("/training-jobs", json=WRONG[name]), 422, "invalid-request")
    assert store.list().jobs == []


def observed(count: int = 8) -> list[dict[str, Any]]:
    return [{"architecture": cell(*["nor_conv_3x3"] * 6), "value": number} for number in range(count)]


async def test_observations_travel_apart(
    client: httpx.AsyncClient, store: JobStore, api_settings: Settings
) -> None:
    body = {"kind": "hypernas", "name": "mine", "config": {"observations": observed(), "minutes": 1}}
    answer = await client.post("/training-jobs", json=body)
    assert answer.status_code == 202, answer.text
    job = store.get(answer.json()["id"])
    assert job is not None and job.queue == "training"
    assert job.payload["config"] == {"minutes": 1}
    lines = ArtifactStore(api_settings.artifact_dir).read_bytes(job.payload["observations"]).splitlines()
    assert [json.loads(line) for line in lines] == observed()


async def test_searches_need_no_name(client: httpx.AsyncClient, store: JobStore) -> None:
    body = {"kind": "search", "config": {"space": "darts", "evaluations": 5}}
    jobs = [(await client.post("/training-jobs", json=body)).json()["id"] for _ in range(2)]
    assert len(set(jobs)) == 2
    job = store.get(jobs[0])
    assert job is not None and job.payload["config"] == {"space": "darts", "evaluations": 5}


def search(**config: Any) -> dict[str, Any]:
    return {"kind": "search", "config": {"space": "nasbench201", "evaluations": 5, **config}}


def predictor(**config: Any) -> dict[str, Any]:
    return {"kind": "predictor", "name": "mine", "config": {"observations": observed(), **config}}


def finetune(**config: Any) -> dict[str, Any]:
    return {"kind": "finetune", "config": {"architecture": NASBENCH201_EXAMPLE, **config}}


async def test_the_network_of_a_fine_tuning_travels_apart(
    client: httpx.AsyncClient, store: JobStore, api_settings: Settings
) -> None:
    answer = await client.post("/training-jobs", json={**finetune(epochs=2, noise=0), "name": "tuned"})
    assert answer.status_code == 202, answer.text
    job = store.get(answer.json()["id"])
    assert job is not None and job.queue == "training" and job.about.name == "tuned"
    assert job.payload["config"] == {"epochs": 2}
    graph = json.loads(ArtifactStore(api_settings.artifact_dir).read_bytes(job.payload["graph"]))
    assert graph["format"] == "graph" and graph["input_shape"] == [3, 32, 32]
    # A second one of the same name is another run, not a conflict: no model comes out.
    assert (await client.post("/training-jobs", json=finetune(epochs=2))).status_code == 202
    by_name = await client.post("/training-jobs", json=finetune(architecture=TORCHVISION_EXAMPLE))
    job = store.get(by_name.json()["id"])
    assert job is not None and job.payload["torchvision"] == {"name": "resnet50"}
    assert job.payload["graph"] is None and job.about.name == "resnet50"


def test_the_contract_offers_what_fine_tuning_takes() -> None:
    assert names(Tuning) == names(FineTuning) - {"data_dir"}
    told = FineTuneOptions(architecture={}, epochs=2, compare=True)
    config = FineTuning(epochs=2, compare=True, model="tiny", data_dir="d")
    assert tuning(told, "tiny", data_dir="d") == config


def smash(**config: Any) -> dict[str, Any]:
    return {"kind": "smash", "name": "mine", "config": {"steps": 5, **config}}


async def test_a_smash_job_is_queued(client: httpx.AsyncClient, store: JobStore) -> None:
    answer = await client.post("/training-jobs", json=smash(model={"kernels": [3, 7]}, images=16))
    assert answer.status_code == 202, answer.text
    job = store.get(answer.json()["id"])
    assert job is not None and (job.queue, job.about.task) == ("training", "smash")
    config = {"steps": 5, "model": {"kernels": [3, 7]}, "images": 16}
    assert job.payload == {"kind": "smash", "name": "mine", "config": config}
    again = await client.post("/training-jobs", json=smash(steps=6))
    assert again.status_code == 409 and again.json()["field"] == "/name"


async def test_null_stands_for_what_is_not_said(client: httpx.AsyncClient, store: JobStore) -> None:
    answer = await client.post("/training-jobs", json=smash(images=None, model={"unit": None, "depth": 2}))
    assert answer.status_code == 202, answer.text
    job = store.get(answer.json()["id"])
    assert job is not None and job.payload["config"] == {"steps": 5, "model": {"depth": 2}}


WRONG_BY_FIELD: dict[str, tuple[dict[str, Any], str]] = {
    "no budget": (search(evaluations=None), "/config"),
    "unknown space": (search(space="nasbench301"), "/config/space"),
    "unknown predictor": (search(predictor="none-such"), "/config/predictor"),
    "a GHN as predictor": (search(predictor="test-ghn"), "/config/predictor"),
    "unknown trade-off": (search(trade_off="beauty"), "/config/trade_off"),
    "a latency without predictor": (search(max_latency=3), "/config"),
    "too long": (search(seconds=1e9), "/config/seconds"),
    "few observations": (predictor(observations=observed(3)), "/config/observations"),
    "a value as text": (
        predictor(observations=[*observed(), {"architecture": {}, "value": "high"}]),
        "/config/observations/8/value",
    ),
    "no network": ({"kind": "finetune", "config": {}}, "/config/architecture"),
    "a wrong network": (finetune(architecture={"format": "gif"}), "/config/architecture/format"),
    "a wrong cell": (
        finetune(architecture={"format": "nasbench201", "cell": "|x~0|"}),
        "/config/architecture/cell",
    ),
    "a wrong network of torchvision": (
        finetune(architecture={"format": "torchvision", "name": "Res Net"}),
        "/config/architecture/name",
    ),
    "epochs below none": (finetune(epochs=-1), "/config/epochs"),
    "an unknown start": (finetune(start="warm"), "/config/start"),
    "an unknown head": (finetune(head="cut"), "/config/head"),
    "a learning rate without end": (finetune(learning_rate=1e300), "/config/learning_rate"),
    "an unknown GHN": (finetune(model="none-such"), "/config/model"),
    "data elsewhere": (finetune(data="../../etc"), "/config/data"),
    "smash without a budget": (smash(steps=None), "/config"),
    "smash for too long": (smash(steps=None, minutes=1e9), "/config/minutes"),
    "an even kernel": (smash(model={"kernels": [3, 4]}), "/config/model/kernels"),
    "groups without one": (smash(model={"groups": [2]}), "/config/model/groups"),
    "a dilation twice": (smash(model={"dilations": [1, 1]}), "/config/model/dilations"),
    "a network too wide": (smash(model={"unit": 9}), "/config/model/unit"),
    "one image": (smash(images=1), "/config/images"),
    "smash with classes": (smash(model={"num_classes": 3}), "/config/model/num_classes"),
    "smash without a name": ({"kind": "smash", "config": {"steps": 1}}, "/name"),
    "no config": ({"kind": "predictor", "name": "mine"}, "/config"),
    "a reserved name": ({**predictor(), "name": "structure"}, "/name"),
}


@pytest.mark.parametrize("name", WRONG_BY_FIELD)
async def test_what_is_refused_by_field(client: httpx.AsyncClient, store: JobStore, name: str) -> None:
    body, field = WRONG_BY_FIELD[name]
    answer = await client.post("/training-jobs", json=body)
    assert answer.status_code in (409, 422), answer.text
    assert answer.json()["field"] == field
    assert store.list().jobs == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (request(minuts=3), "config/minuts is not a known field; did you mean minutes?"),
        (request(ghn={"hiden": 8}), "config/ghn/hiden is not a known field; did you mean hidden?"),
        ({**request(), "replaces": True}, "replaces is not a known field; did you mean replace?"),
        (smash(model={"bank": 2}), "config/model/bank is not a known field; did you mean banks?"),
    ],
)
async def test_a_misspelt_field_is_told_by_its_name(
    client: httpx.AsyncClient, store: JobStore, body: dict[str, Any], said: str
) -> None:
    problem = assert_problem(await client.post("/training-jobs", json=body), 422, "invalid-request")
    assert said in [entry["detail"] for entry in problem["errors"]]


async def test_nobody_trains(client: httpx.AsyncClient) -> None:
    problem = assert_problem(await client.post("/training-jobs", json=TRAINING_EXAMPLE), 503, "unavailable")
    assert problem["queue"] == "training"
    assert_problem(await client.post("/training-jobs", content=b"x"), 415)


def names(config: Any) -> set[str]:
    return {entry.name for entry in fields(config)}


def test_the_contract_offers_what_the_trainers_take() -> None:
    assert names(GHNTraining) == names(TrainConfig) - {"name", "data_dir", "threads"}
    assert names(GHNOptions) == names(GHNConfig) - {"num_classes", "more_classes"}


def test_every_option_of_a_search_is_understood() -> None:
    least: dict[str, Any] = {"space": "nasbench201", "predictor": "structure", "evaluations": 4}
    found = answer(read(SearchOptions, {**least, "max_parameters": 10**7, "top_k": 2})).as_json()
    assert found["evaluations"] == 4 and len(found["best"]) == 2


def test_what_is_said_of_a_ghn_reaches_its_trainer() -> None:
    told = GHNTraining(steps=5, ghn=GHNOptions(hidden=16), stages=(TrainingStage(images=8),))
    config = configured(told, name="x", data_dir="d")
    assert config.stages == (Stage(images=8),) and config.ghn == {"hidden": 16}


def test_bounds_that_are_for_deepnets_are_not_for_other_spaces() -> None:
    def costs(**options: Any) -> list[float | None]:
        told = read(GHNTraining, {"steps": 5, "data": "digits", **options})
        return [stage.cost for stage in configured(told, name="x", data_dir="d").stages]

    assert costs() == costs(space="darts") == [stage.cost for stage in DIGITS_STAGES]
    assert costs(space="ghn1") == [None, None]
    assert costs(space="ghn1", stages=[{"cost": 3}]) == [3]


@pytest.mark.parametrize("kind", [*KINDS])
def test_what_is_written_down_is_read_as_it_was(kind: str) -> None:
    options = read(KINDS[kind].options, SOME[kind])
    assert read(KINDS[kind].options, written(options)) == options


SOME: dict[str, dict[str, Any]] = {
    "ghn": {"minutes": 2, "ghn": {"gnn": "mlp"}, "stages": [{"until": 0.5}, {"cost": 3}]},
    "predictor": {"observations": observed(), "failed": "lowest"},
    "hypernas": {"observations": observed(), "model": {"tasks": "accuracy", "hidden": 8}},
    "smash": {"steps": 3, "model": {"kernels": [1, 3, 5], "groups": [1]}},
    "finetune": {"architecture": NASBENCH201_EXAMPLE, "start": "random", "mirror": False},
    "search": {"space": "darts", "seconds": 3, "max_latency": 2.5, "latency_predictor": "fast"},
}
