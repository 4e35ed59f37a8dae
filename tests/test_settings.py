"""Options: documented, masked, checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.errors import InvalidRequest
from service.exposure import refuse_open_door
from service.settings import (
    MASK,
    Settings,
    configuration_page,
    environment_of,
    masked,
    unknown_variables,
)

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"


def test_the_configuration_page_is_up_to_date() -> None:
    assert PAGE.read_text() == configuration_page(), "run: python -m service.settings > docs/configuration.md"


def test_every_option_has_a_sentence() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description and field.description.endswith("."), name


def test_folders_lie_under_home_unless_told_otherwise(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).artifact_dir == tmp_path / "artifacts"
    assert Settings(home=tmp_path, data_dir=tmp_path / "d").data_dir == tmp_path / "d"


def test_secrets_are_masked(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, api_keys="hush-key", redis_url="redis://user:hush-pw@host/0")
    assert "hush" not in repr(settings) and "hush" not in str(masked(settings))
    assert masked(settings)["WEIGHTCAST_REDIS_URL"] == f"redis://{MASK}@host/0"


def test_a_child_gets_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path, api_keys="k", allow_anonymous=True, lease_seconds=2.5)
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_log_options_may_be_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_LOG_LEVEL", "WARNING")
    monkeypatch.setenv("WEIGHTCAST_LOG_FORMAT", "JSON")
    assert (Settings().log_level, Settings().log_format) == ("warning", "json")


def test_folders_may_lie_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HOME", "DATA_DIR", "ARTIFACT_DIR", "API_KEYS_FILE"):
        monkeypatch.setenv(f"WEIGHTCAST_{name}", f"~/{name}")
    settings = Settings()
    places = settings.home, settings.data_dir, settings.artifact_dir, settings.api_keys_file
    assert places == tuple(tmp_path / name for name in ("HOME", "DATA_DIR", "ARTIFACT_DIR", "API_KEYS_FILE"))


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("home", "~nobody-of-this-name/w", "there is no home folder ~nobody-of-this-name"),
        ("redis_url", "localhost:6379", "begins with redis://, rediss:// or unix://"),
        ("cache_redis_url", "http://localhost", "begins with redis://, rediss:// or unix://"),
        ("redis_url", "redis://localhost:port/0", "expected a port"),
        ("artifact_url", "/mnt/artifacts", "begins with s3://, gs:// or az://"),
        ("device", "gpu", "expected `auto`, `cpu`, `cuda`"),
        ("cors_origins", "app.example.org", "expected `.`, or addresses such as https://app.example.org"),
    ],
)
def test_a_wrong_value_says_what_may_stand_there(
    tmp_path: Path, option: str, value: str, reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        Settings(**{"home": tmp_path, option: value})


@pytest.mark.parametrize("url", ["redis://:secret@h:6379/0", "rediss://h", "unix:///tmp/redis.sock?db=1"])
def test_addresses_of_redis_stay_as_they_are(tmp_path: Path, url: str) -> None:
    assert Settings(home=tmp_path, redis_url=url).redis_url == url


def test_misspelt_options_are_found() -> None:
    assert unknown_variables({"WEIGHTCAST_PROT": "1", "WEIGHTCAST_PORT": "1", "OTHER": "x"}) == [
        "WEIGHTCAST_PROT"
    ]


def test_tasks_must_be_shorter_than_half_the_visibility_timeout(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="twice the longest task"):
        Settings(home=tmp_path, task_time_limit_seconds=1000)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_keys(host: str, tmp_path: Path) -> None:
    refuse_open_door(Settings(home=tmp_path, host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_an_open_door_takes_an_explicit_word(host: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        refuse_open_door(Settings(home=tmp_path, host=host))
    with pytest.raises(InvalidRequest):
        refuse_open_door(Settings(home=tmp_path, host=host, api_keys=" , "))
    refuse_open_door(Settings(home=tmp_path, host=host, api_keys="k"))
    refuse_open_door(Settings(home=tmp_path, host=host, allow_anonymous=True))
