"""Prometheus metrics: what this process saw, and what Redis says about queues and workers when it is scraped.

Labels are routes, kinds and queues, never ids or keys, so their number stays small.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterable

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.api.middleware import RequestRecord
from service.errors import ServiceError
from service.store.artifacts import ArtifactStore
from service.store.broker import QUEUES
from service.store.jobs import JobStore
from service.store.workers import WorkerRegistry

log = structlog.get_logger("weightcast.api")

# 1 ms to about 97 s, each bound 1.5 times the one before: the same relative precision everywhere.
BUCKETS = tuple(round(0.001 * 1.5**step, 6) for step in range(0, 29, 2))
_ARTIFACT_SCAN_SECONDS = 60.0


class Metrics:
    """One registry an app, so that several apps can live in one process."""

    def __init__(self, jobs: JobStore, workers: WorkerRegistry, artifacts: ArtifactStore) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "weightcast_http_request_duration_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ("method", "route", "status"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.stages = Histogram(
            "weightcast_http_stage_duration_seconds",
            "Time of one stage inside a request.",
            ("stage",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.cache = Counter(
            "weightcast_cache_lookups",
            "Requests for results, by what answered them: hit, miss, or shared with a job in flight.",
            ("outcome",),
            registry=self.registry,
        )
        self.refused = Counter(
            "weightcast_problems", "Problem documents sent, by type.", ("problem",), registry=self.registry
        )
        self.sent_bytes = Counter("weightcast_http_sent_bytes", "Bytes of answers.", registry=self.registry)
        self.registry.register(_StoreCollector(jobs, workers, artifacts))

    def observe(self, record: RequestRecord) -> None:
        self.requests.labels(record.method, record.route, str(record.status)).observe(record.seconds)
        self.sent_bytes.inc(record.bytes_out)
        for stage, spent_ms in record.stages_ms.items():
            self.stages.labels(stage).observe(spent_ms / 1e3)
        if record.cache is not None:
            self.cache.labels(record.cache).inc()
        if record.problem is not None:
            self.refused.labels(record.problem).inc()

    def render(self) -> bytes:
        """The text format of Prometheus. Blocking: it asks Redis and the disk."""
        return generate_latest(self.registry)


class _StoreCollector(Collector):
    """Gauges that are read when they are asked for."""

    def __init__(self, jobs: JobStore, workers: WorkerRegistry, artifacts: ArtifactStore) -> None:
        self._jobs = jobs
        self._workers = workers
        self._artifacts = artifacts
        self._artifact_bytes = 0
        self._scanned = float("-inf")

    def describe(self) -> Iterable[Metric]:
        return ()  # registering must not ask Redis

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("weightcast_redis_up", "1 while the job store answers.")
        try:
            yield from self._from_redis()
            up.add_metric((), 1)
        except ServiceError as error:
            log.warning("metrics.store_unreachable", detail=error.detail)
            up.add_metric((), 0)
        yield up
        yield self._from_disk()

    def _from_redis(self) -> list[Metric]:
        depth = GaugeMetricFamily("weightcast_queue_depth", "Messages waiting in a queue.", labels=("queue",))
        workers = GaugeMetricFamily("weightcast_workers", "Warm workers of a queue.", labels=("queue",))
        unfinished = GaugeMetricFamily(
            "weightcast_unfinished_jobs", "Jobs that are queued or running.", labels=("kind", "status")
        )
        oldest = GaugeMetricFamily(
            "weightcast_oldest_queued_age_seconds",
            "How long the longest waiting job has waited.",
            labels=("queue",),
        )
        present = self._workers.present()
        live = self._jobs.live()
        now = time.time()
        for queue in QUEUES:
            depth.add_metric((queue,), self._jobs.queue_depth(queue))
            workers.add_metric((queue,), len(present.get(queue, ())))
            waits = [
                now - job.created_at.timestamp()
                for job in live
                if job.queue == queue and job.started_at is None
            ]
            oldest.add_metric((queue,), max(waits, default=0.0))
        for (kind, status), count in Tally((job.kind, job.status.value) for job in live).items():
            unfinished.add_metric((kind, status), count)
        return [depth, workers, unfinished, oldest]

    def _from_disk(self) -> Metric:
        if time.monotonic() - self._scanned > _ARTIFACT_SCAN_SECONDS:
            self._artifact_bytes, self._scanned = self._artifacts.total_bytes(), time.monotonic()
        gauge = GaugeMetricFamily("weightcast_artifact_bytes", "Bytes of stored files.")
        gauge.add_metric((), self._artifact_bytes)
        return gauge
