"""Prometheus metrics: what this process saw of requests, and (store_metrics.py) what Redis knows of jobs.

Labels are routes, kinds, stages and queues, never ids, keys or names that users choose, so their number stays
small. Base units, `_total` for counters: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from service.api.middleware import RequestRecord
from service.api.store_metrics import StoreCollector
from service.store.artifacts import ArtifactStore
from service.store.jobs import JobStore
from service.store.workers import WorkerRegistry

# 1 ms to about 85 s, each bound 2.25 times the one before: the same relative precision everywhere.
BUCKETS = tuple(float(f"{0.001 * 2.25**step:.4g}") for step in range(15))


class Metrics:
    """One registry an app, so that several apps can live in one process."""

    def __init__(self, jobs: JobStore, workers: WorkerRegistry, artifacts: ArtifactStore) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "weightcast_http_request_duration_seconds",
            "From the first byte of a request to the last of its answer. Status 499: the caller hung up.",
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
            "Requests for results, by what answered them: hit, miss, or shared (with a job in flight).",
            ("outcome",),
            registry=self.registry,
        )
        self.refused = Counter(
            "weightcast_problems",
            "Problem documents sent, by type.",
            ("problem",),
            registry=self.registry,
        )
        self.sent_bytes = Counter(
            "weightcast_http_sent_bytes", "Size of all answers' bodies.", registry=self.registry
        )
        self.registry.register(StoreCollector(jobs, workers, artifacts))

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
