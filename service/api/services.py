"""Everything an endpoint needs, made once by `create_app`. No connection is opened before its first use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import Request

from service.api.jobs.events import StreamSlots
from service.api.keys import KeyRing
from service.api.limits import Admission, RateLimit
from service.api.metrics import Metrics
from service.api.watch import JobWatcher
from service.api.weights.integrity import Integrity
from service.graph_io.limits import GraphLimits
from service.graph_limits import limits_of
from service.settings import Settings
from service.store.artifacts import ArtifactStore
from service.store.cache import ResultCache
from service.store.connection import connect, connect_cache
from service.store.event_stream import EventStream
from service.store.jobs import JobStore
from service.store.limits import RateLimiter
from service.store.object_store import open_artifacts
from service.store.workers import WorkerRegistry


@dataclass(slots=True)
class LastReadiness:
    """What the last probe was told; None before the first."""

    ready: bool | None = None

    def changes_to(self, ready: bool) -> bool:
        """Remember the new state. Whether it is another one than before."""
        changed = ready is not self.ready
        self.ready = ready
        return changed


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    keys: KeyRing
    jobs: JobStore
    artifacts: ArtifactStore
    integrity: Integrity
    cache: ResultCache
    workers: WorkerRegistry
    events: EventStream
    watcher: JobWatcher
    streams: StreamSlots
    rate_limit: RateLimit
    admission: Admission
    graph_limits: GraphLimits
    metrics: Metrics
    readiness: LastReadiness = field(default_factory=LastReadiness)

    @classmethod
    def from_settings(cls, settings: Settings) -> Services:
        """Unavailable where no Redis is configured, ValueError or OSError where the API keys
        cannot be read."""
        client = connect(settings)
        jobs = JobStore.from_settings(settings)
        workers = WorkerRegistry(client)
        artifacts = open_artifacts(settings)
        events = EventStream(cast(str, settings.redis_url))
        return cls(
            settings=settings,
            keys=KeyRing.from_settings(settings),
            jobs=jobs,
            artifacts=artifacts,
            integrity=Integrity(artifacts),
            cache=ResultCache(connect_cache(settings)),
            workers=workers,
            events=events,
            watcher=JobWatcher(jobs, events),
            streams=StreamSlots(),
            rate_limit=RateLimit(RateLimiter(client, settings.requests_per_minute)),
            admission=Admission(settings, jobs, workers),
            graph_limits=limits_of(settings),
            metrics=Metrics(jobs, workers, artifacts),
        )

    async def close(self) -> None:
        await self.events.close()
        # One of the workers is the one of the rate limits too.
        for store in (self.jobs, self.cache, self.workers):
            store.redis.close()


def services_of(request: Request) -> Services:
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


async def _injected(request: Request) -> Services:
    # A coroutine, for the framework would send a plain function through a thread at every request.
    return services_of(request)


Injected = Annotated[Services, Depends(_injected)]
