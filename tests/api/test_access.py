"""Keys and scopes; what is open, and what an open server refuses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr, ValidationError

from service.api import keys
from service.api.architectures import GRAPH_EXAMPLE
from service.api.keys import KeyRing
from service.embedded import serve
from service.errors import InvalidRequest, WrongSetting
from service.exposure import refuse_open_door
from service.settings import Settings
from service.store.jobs import JobStore

from .asgi import client_of
from .checks import assert_problem
from .fake_worker import FakeWorker

HASHED = hashlib.sha256(b"hashed").hexdigest()
KEYS = f"plain, reader:predict, trainer:train, root:admin, sha256${HASHED}:predict"


@pytest.fixture
async def guarded(api_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(api_settings.model_copy(update={"api_keys": SecretStr(KEYS)})) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_without_a_key(guarded: httpx.AsyncClient) -> None:
    for method, path in (
        *(("GET", path) for path in ("/models", "/jobs", "/limits", "/metrics", f"/weights/{'ab' * 32}.npz")),
        ("POST", "/predict-weights"),
        ("DELETE", f"/jobs/{'0' * 32}"),
    ):
        response = await guarded.request(method, path)
        assert_problem(response, 401, "unauthorized")
        assert response.headers["www-authenticate"].startswith("Bearer")
    for path in ("/livez", "/readyz", "/openapi.json", "/docs", "/"):
        assert (await guarded.get(path)).status_code in (200, 503)


async def test_wrong_keys(guarded: httpx.AsyncClient) -> None:
    for key in ("wrong", "plain ", "PLAIN", "reader:predict", KEYS, "ü"):
        response = await guarded.get("/models", headers={b"X-API-Key": key.encode()})
        assert_problem(response, 401)


@pytest.mark.parametrize("keys", [None, "a-key"])
async def test_the_description_says_whether_keys_are_needed(api_settings: Settings, keys: str | None) -> None:
    own = api_settings.model_copy(update={"api_keys": SecretStr(keys) if keys else None})
    async with client_of(own) as client:
        document = (await client.get("/openapi.json")).json()
    calls = [call for path in document["paths"].values() for call in path.values() if "security" in call]
    assert len(calls) > 10 and all(({} in call["security"]) is (keys is None) for call in calls)


async def test_both_ways_to_send_a_key(guarded: httpx.AsyncClient) -> None:
    assert (await guarded.get("/models", headers=bearer("plain"))).status_code == 200
    assert (await guarded.get("/models", headers=bearer("hashed"))).status_code == 200
    assert (await guarded.get("/models", headers={"X-API-Key": "plain"})).status_code == 200


async def test_scopes(guarded: httpx.AsyncClient, worker: FakeWorker) -> None:
    body = {"architecture": GRAPH_EXAMPLE}
    for key in ("plain", "reader", "hashed", "root"):
        assert (await guarded.post("/predict-weights", json=body, headers=bearer(key))).status_code == 200
    problem = assert_problem(
        await guarded.post("/predict-weights", json=body, headers=bearer("trainer")), 403, "forbidden"
    )
    assert problem["scope"] == "predict"
    assert_problem(await guarded.get("/metrics", headers=bearer("plain")), 403)
    assert (await guarded.get("/metrics", headers=bearer("root"))).status_code == 200


async def test_jobs_belong_to_their_key(guarded: httpx.AsyncClient, api_settings: Settings) -> None:
    store = JobStore.from_settings(api_settings)
    ring = KeyRing(KEYS)
    owner = ring.find("reader")
    assert owner is not None
    job = store.create("predict", key="", payload={}, owner=owner.id, queue="predict")
    training = store.create("training", key="", payload={}, owner=owner.id, queue="training")
    assert (await guarded.get(f"/jobs/{job.id}", headers=bearer("plain"))).status_code == 200
    assert_problem(await guarded.get(f"/jobs/{training.id}", headers=bearer("hashed")), 404)
    assert_problem(await guarded.delete(f"/jobs/{job.id}", headers=bearer("plain")), 403)
    listed = {
        key: len((await guarded.get("/jobs", headers=bearer(key))).json()["jobs"])
        for key in ("reader", "plain", "root")
    }
    assert listed == {"reader": 2, "plain": 0, "root": 2}
    assert (await guarded.delete(f"/jobs/{job.id}", headers=bearer("root"))).status_code == 200


async def test_an_open_server_is_not_driven_by_other_pages(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    body = {"architecture": GRAPH_EXAMPLE}
    foreign = await client.post(
        "/predict-weights", json=body, headers={"Origin": "https://elsewhere.example"}
    )
    assert_problem(foreign, 403, "forbidden")
    own = await client.post("/predict-weights", json=body, headers={"Origin": "http://localhost"})
    assert own.status_code == 200


@pytest.mark.parametrize("header", ["Origin", "Host"])
@pytest.mark.parametrize("value", ["http://[", "[::1", "//[x]", "null", "a" * 5000, "\u00fc", "%", ""])
async def test_strange_headers_are_refused_and_never_a_failure(
    client: httpx.AsyncClient, header: str, value: str
) -> None:
    body = {"architecture": GRAPH_EXAMPLE}
    response = await client.post("/predict-weights", json=body, headers={header: value.encode()})
    assert_problem(response, 403, "forbidden")


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1:8000", True),
        ("localhost", True),
        ("[::1]:8000", True),
        ("rebound.example:8000", False),
        ("127.0.0.1.rebound.example", False),
        ("192.168.0.7", False),
    ],
)
async def test_only_names_of_this_machine_reach_an_open_server(
    client: httpx.AsyncClient, host: str, is_local: bool
) -> None:
    response = await client.get("/models", headers={"Host": host})
    assert response.status_code == (200 if is_local else 403)


async def test_other_names_are_for_servers_with_keys(
    guarded: httpx.AsyncClient, api_settings: Settings
) -> None:
    foreign = {"Host": "weights.example"}
    assert (await guarded.get("/models", headers={**foreign, **bearer("plain")})).status_code == 200
    public = api_settings.model_copy(update={"allow_anonymous": True})
    async with client_of(public) as client:
        assert (await client.get("/models", headers=foreign)).status_code == 200


async def test_browsers_that_leave_out_the_origin_say_the_site(client: httpx.AsyncClient) -> None:
    body = {"architecture": GRAPH_EXAMPLE}
    response = await client.post("/predict-weights", json=body, headers={"Sec-Fetch-Site": "cross-site"})
    assert_problem(response, 403, "forbidden")


SIMPLE = ["text/plain", "application/x-www-form-urlencoded", "text/plain;charset=UTF-8"]
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:60.0)"}


@pytest.mark.parametrize("media", SIMPLE)
async def test_what_pages_may_send_unasked_starts_nothing(
    app: FastAPI, client: httpx.AsyncClient, api_settings: Settings, media: str
) -> None:
    """Every call that changes something takes only bodies that a browser asks about first (preflight)."""
    document = app.openapi()
    calls = [path for path, methods in document["paths"].items() if "post" in methods]
    assert len(calls) >= 5
    body = json.dumps({"architecture": GRAPH_EXAMPLE, "architectures": [GRAPH_EXAMPLE], "kind": "ghn"})
    for path in calls:
        response = await client.post(path, content=body, headers={"Content-Type": media})
        assert_problem(response, 415, "unsupported-media-type")
    assert JobStore.from_settings(api_settings).list().jobs == []


async def test_an_old_browser_that_does_not_name_its_page(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    text = json.dumps(GRAPH_EXAMPLE)
    for body in ({"files": {"architecture": ("net.json", text)}}, {"content": text}):
        foreign = await client.post("/predict-weights", headers=BROWSER, **body)
        assert_problem(foreign, 403, "forbidden")
        own = BROWSER | {"Origin": "http://localhost"}
        for headers in (own, {}):
            assert (await client.post("/predict-weights", headers=headers, **body)).status_code == 200


def test_keys_that_cannot_be_read() -> None:
    for entries in ("good,user:pa55", "good,:predict"):
        with pytest.raises(WrongSetting, match="Entry 2 of WEIGHTCAST_API_KEYS") as refusal:
            KeyRing(entries)
        # Nothing that may be part of a secret is told.
        assert "pa55" not in str(refusal.value)
    assert KeyRing(None).is_open and KeyRing(" , ").is_open


def test_a_service_whose_keys_cannot_be_read_does_not_start(api_settings: Settings) -> None:
    wrong = api_settings.model_copy(update={"api_keys": SecretStr("key:fly")})
    with pytest.raises(WrongSetting):
        serve(wrong)
    assert not wrong.home.joinpath("redis").exists()


def test_keys_are_kept_as_hashes() -> None:
    ring = KeyRing("secret-key")
    assert "secret-key" not in repr([getattr(key, name) for key in ring._fixed for name in key.__slots__])


def test_public_addresses_need_keys(api_settings: Settings) -> None:
    def at(host: str, **changes: object) -> Settings:
        return api_settings.model_copy(update={"host": host, **changes})

    for host in ("127.0.0.1", "::1", "localhost"):
        refuse_open_door(at(host))
    refuse_open_door(at("0.0.0.0", allow_anonymous=True))
    refuse_open_door(at("0.0.0.0", api_keys=SecretStr("k")))
    for settings in (at("0.0.0.0"), at("10.0.0.1"), at("0.0.0.0", api_keys=SecretStr(" , "))):
        with pytest.raises(InvalidRequest):
            refuse_open_door(settings)


def test_keys_from_a_file_are_rotated_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "LOOK_SECONDS", 0.0)
    file = tmp_path / "keys"
    file.write_text("# issued in May\nfirst:predict  # of the team\n\n")
    ring = KeyRing("fixed", file)
    assert not ring.is_open and ring.find("fixed") and ring.find("first")
    file.write_text("second\nthird:admin\n")
    assert ring.find("second") and ring.find("third") and not ring.find("first")
    # A broken file, or one that is gone, neither opens the door nor locks out the keys that were good.
    for broken in ("", "second:fly\n"):
        file.write_text(broken)
        assert ring.find("second") and not ring.find("") and not ring.is_open
    file.unlink()
    assert ring.find("second") and ring.find("fixed")


def test_a_file_without_keys_does_not_start_an_open_server(tmp_path: Path, api_settings: Settings) -> None:
    file = tmp_path / "keys"
    file.write_text("# none yet\n")
    with pytest.raises(WrongSetting, match="no key"):
        KeyRing(None, file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(WrongSetting, match="not text"):
        KeyRing(None, file)
    with pytest.raises(WrongSetting, match="cannot be read: No such file"):
        KeyRing(None, tmp_path / "absent")
    refuse_open_door(api_settings.model_copy(update={"host": "0.0.0.0", "api_keys_file": file}))


async def test_a_scraper_needs_no_admin_key(api_settings: Settings) -> None:
    settings = api_settings.model_copy(update={"api_keys": SecretStr("scraper:metrics")})
    async with client_of(settings) as client:
        assert (await client.get("/metrics", headers=bearer("scraper"))).status_code == 200
        problem = assert_problem(
            await client.post(
                "/predict-weights", json={"architecture": GRAPH_EXAMPLE}, headers=bearer("scraper")
            ),
            403,
        )
        assert problem["scope"] == "predict"


APP = "https://app.example.org"


@pytest.mark.parametrize("guard", [None, SecretStr("plain")])
async def test_pages_of_named_origins_may_call(
    api_settings: Settings, worker: FakeWorker, guard: SecretStr | None
) -> None:
    settings = api_settings.model_copy(update={"cors_origins": f"{APP}, http://localhost:5173"})
    async with client_of(settings.model_copy(update={"api_keys": guard})) as client:
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        preflight = await client.options("/predict-weights", headers={"Origin": APP, **asked})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == APP
        assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
        sent = {"Origin": APP, "Sec-Fetch-Site": "cross-site", **(bearer("plain") if guard else {})}
        answer = await client.post("/predict-weights", json={"architecture": GRAPH_EXAMPLE}, headers=sent)
        assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == APP
        assert "Retry-After" in answer.headers["access-control-expose-headers"]
        other = await client.options(
            "/predict-weights", headers={"Origin": "https://elsewhere.example", **asked}
        )
        assert other.status_code == 400 and "access-control-allow-origin" not in other.headers
        refused = await client.get("/models/absent", headers=sent)
        assert refused.status_code == 404 and refused.headers["access-control-allow-origin"] == APP


def test_every_origin_needs_keys(api_settings: Settings) -> None:
    everybody = api_settings.model_copy(update={"cors_origins": "*"})
    with pytest.raises(InvalidRequest, match="any page"):
        refuse_open_door(everybody)
    refuse_open_door(everybody.model_copy(update={"api_keys": SecretStr("k")}))
    for wrong in ("app.example.org", "https://app.example.org/", "*, https://a"):
        with pytest.raises(ValidationError):
            Settings(cors_origins=wrong)
