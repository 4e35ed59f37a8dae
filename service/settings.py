"""Every option, once: an environment variable (prefix WEIGHTCAST_), a default, a sentence, a unit.

`get_settings()` is what the rest of the code calls; `python -m service.settings` prints
docs/configuration.md.
"""

from __future__ import annotations

import os
import re
import sys
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.setting_types import BucketUrl, Device, LocalPath, Origins, RedisUrl

PREFIX = "WEIGHTCAST_"
MASK = "********"
MiB = 2**20
GiB = 2**30


def user_data_folder() -> Path:
    """The platform's folder for an application's own data: ~/.local/share/weightcast on Linux."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "weightcast"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "weightcast"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "weightcast"


class Settings(BaseSettings):
    """All options. Immutable; tests and the embedded run make their own with keyword arguments."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    # Folders
    home: LocalPath = Field(
        default_factory=user_data_folder,
        description="Folder of artifacts, of trained and imported models, and of the embedded Redis.",
    )
    data_dir: LocalPath = Field(
        default_factory=lambda fields: fields["home"] / "data",
        description="Folder of the data sets; packed CIFAR-10 is `train.npz` and `test.npz`. Default: "
        "`data` under home.",
    )
    artifact_dir: LocalPath = Field(
        default_factory=lambda fields: fields["home"] / "artifacts",
        description="Folder of predicted weights and uploaded graphs, shared by the API and all workers. "
        "Default: `artifacts` under home.",
    )
    artifact_url: BucketUrl | None = Field(
        default=None,
        description="Bucket of an object store that holds them instead, `s3://bucket/prefix` (also `gs://`, "
        "`az://`); the folder then keeps copies. Credentials come from the environment, as for the "
        "provider's own tools.",
    )
    artifact_max_bytes: NonNegativeInt = Field(
        default=20 * GiB,
        description="Cap on the artifact folder, in bytes: beyond it, the longest unused files are deleted. "
        "0 means no cap.",
    )

    # Redis
    redis_url: RedisUrl | None = Field(
        default=None,
        repr=False,
        description="Redis for job records and the queue (`redis://`, `rediss://` or `unix://`); must run"
        " with `noeviction`. Unset: `weightcast serve` starts a private one.",
    )
    cache_redis_url: RedisUrl | None = Field(
        default=None,
        repr=False,
        description="Second Redis for small cached answers; it may evict. Unset: the first one is used.",
    )

    # HTTP
    host: str = Field(default="127.0.0.1", description="Address that the API listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="TCP port that the API listens on.")
    api_keys: SecretStr | None = Field(
        default=None,
        description="Comma-separated API keys, each `KEY` (all scopes but admin) or `KEY:scope+scope` "
        "with the scopes predict, train, metrics, admin. Unset: open, on loopback addresses only.",
    )
    api_keys_file: LocalPath | None = Field(
        default=None,
        description="File with further API keys, one per line, `#` starts a comment; for mounted secrets. "
        "It is read again when it changes.",
    )
    cors_origins: Origins = Field(
        default="",
        description="Comma-separated origins (`https://app.example.org`) whose pages may call the service "
        "from a browser; `*` for all, with API keys only. Unset: its own page only.",
    )
    allow_anonymous: bool = Field(
        default=False,
        description="Listen on other than loopback addresses without API keys, and answer under every name"
        " in the Host header. Use it only behind a proxy that checks access.",
    )
    max_body_bytes: PositiveInt = Field(
        default=256 * MiB,
        description="Largest accepted request body, in bytes; a ResNet-50 with its weights is 102 MB.",
    )
    default_wait_seconds: float = Field(
        default=20,
        ge=0,
        le=120,
        description="Default wait for a result, in seconds, for requests without `Prefer: wait`.",
    )
    max_wait_seconds: float = Field(
        default=60, ge=0, le=120, description="Upper bound of `Prefer: wait=N`, in seconds."
    )

    # Limits
    max_nodes: PositiveInt = Field(default=20_000, description="Most nodes in one architecture.")
    max_parameters: PositiveInt = Field(
        default=1_000_000_000, description="Most trainable parameters in one architecture."
    )
    max_architectures: PositiveInt = Field(
        default=10_000, description="Most architectures in one ranking or embedding request."
    )
    queue_limit: PositiveInt = Field(
        default=512, description="Most jobs waiting in one queue; beyond it the answer is 503."
    )
    queued_jobs_per_key: PositiveInt = Field(
        default=128, description="Most unfinished jobs of one API key; beyond it the answer is 429."
    )
    requests_per_minute: NonNegativeInt = Field(
        default=600,
        description="Requests per minute of one API key, or of one address without keys. 0 switches the "
        "limit off.",
    )
    training_max_minutes: PositiveFloat = Field(
        default=7 * 24 * 60, description="Longest budget of one training job, in minutes."
    )

    # Jobs
    job_ttl_seconds: PositiveInt = Field(
        default=24 * 3600, description="How long a finished job can be read, in seconds."
    )
    idempotency_ttl_seconds: PositiveInt = Field(
        default=24 * 3600, description="How long an `Idempotency-Key` is remembered, in seconds."
    )
    job_attempts: PositiveInt = Field(
        default=3, description="How often a job is started before it counts as failed."
    )
    lease_seconds: float = Field(
        default=30,
        gt=0.5,
        description="If a worker sends no heartbeat for this many seconds, another one gets its job.",
    )
    task_time_limit_seconds: PositiveInt = Field(
        default=600, description="Hard limit of one task, in seconds; the worker is killed."
    )
    visibility_timeout_seconds: PositiveInt = Field(
        default=1800,
        description="After this many seconds the broker hands out an unacknowledged message again.",
    )
    training_segment_seconds: PositiveFloat = Field(
        default=600,
        description="A training job is checkpointed and goes back to its queue after this many seconds.",
    )

    # Workers
    predict_workers: PositiveInt = Field(
        default=1, description="Worker processes of the predict queue in `weightcast serve`."
    )
    threads: NonNegativeInt = Field(
        default=0,
        description="CPU cores that one worker computes on. 0: an even share of those that it may use.",
    )
    device: Device = Field(
        default="auto",
        description="Device for the decoders of predictions: `cpu`, `cuda`, `cuda:N` (GPU number N), or "
        "`auto`: the first GPU, or the CPU if there is none. A worker does not start if its GPU is missing. "
        "Training uses all GPUs that it sees.",
    )
    default_model: str = Field(default="ghn2-cifar10", description="Model used when a request names none.")
    models_in_memory: PositiveInt = Field(
        default=4,
        description="Models that one worker keeps loaded; beyond it, the longest unused one is unloaded.",
    )
    shutdown_seconds: NonNegativeFloat = Field(
        default=20, description="How long a stopping worker may finish its running task, in seconds."
    )
    celery_events: bool = Field(
        default=False,
        description="Workers send Celery's events and answer its remote control, for Flower. Use it only if "
        "nobody else can reach Redis.",
    )

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Lowest level to log: `debug`, `info`, `warning` or `error`, in any case.",
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="`json` lines or `console` text; auto means console on a terminal."
    )

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _in_any_case(cls, value: Any) -> Any:
        # Other programs write levels in capitals.
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _tasks_are_shorter_than_the_visibility_timeout(self) -> Self:
        # Half of it, so that a message is never handed out again while its first copy runs.
        longest = max(self.task_time_limit_seconds, self.training_segment_seconds + 180)
        if longest > self.visibility_timeout_seconds / 2:
            raise ValueError(
                f"visibility_timeout_seconds ({self.visibility_timeout_seconds}) must be at least twice "
                f"the longest task: task_time_limit_seconds, or training_segment_seconds + 180 ({longest:g})"
            )
        return self

    @property
    def origins(self) -> tuple[str, ...]:
        """The entries of `cors_origins`."""
        return tuple(origin.strip() for origin in self.cors_origins.split(",") if origin.strip())

    @property
    def is_loopback(self) -> bool:
        """Whether `host` can only be reached from this machine."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once. Tests call `get_settings.cache_clear()`."""
    return Settings()


def variable(field: str) -> str:
    """The environment variable of a field."""
    return PREFIX + field.upper()


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment variables that give a child process the same settings. Holds secrets: never log it."""
    values: dict[str, str] = {}
    for field in Settings.model_fields:
        value = getattr(settings, field)
        if value is not None:
            values[variable(field)] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return values


def masked(settings: Settings) -> dict[str, str]:
    """Every option as text that is safe to log or show: keys and passwords in URLs are masked."""
    shown: dict[str, str] = {}
    for field in Settings.model_fields:
        value = getattr(settings, field)
        if isinstance(value, SecretStr):
            shown[variable(field)] = MASK
        elif value is None:
            shown[variable(field)] = ""
        else:
            shown[variable(field)] = re.sub(r"(?<=://)([^@/]*)@", f"{MASK}@", str(value))
    return shown


def unknown_variables(environ: dict[str, str] | os._Environ[str] = os.environ) -> list[str]:
    """Variables with our prefix that mean nothing: most often a misspelt option."""
    known = {variable(field) for field in Settings.model_fields}
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


def _default_text(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "the user's data folder" if field.default_factory is user_data_folder else "under home"
    if field.default is None or field.default is PydanticUndefined:
        return "unset"
    return f"`{_plain(field.default)}`"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def configuration_page() -> str:
    """docs/configuration.md, rendered from the class so that it cannot lie."""
    rows = [
        f"| `{variable(name)}` | {_default_text(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(
        [
            "# Configuration",
            "",
            "Every option is an environment variable. `weightcast doctor` shows the current values, with",
            "masked secrets. In the path of a folder or a file, `~` is your home folder.",
            "This page is made by `python -m service.settings > docs/configuration.md`.",
            "",
            "| variable | default | meaning |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(configuration_page())
