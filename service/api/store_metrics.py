"""What Redis and the disk know, read when Prometheus asks: queues, workers, jobs, files.

Workers are other processes. What they measure is counted in Redis as their jobs end (store/measurements.py),
so these numbers are the service's, the same from every API process: take `max`, not `sum`, over instances.
"""

from __future__ import annotations

import threading
import time
from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from math import inf

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from service.errors import ServiceError
from service.store.artifacts import ArtifactStore
from service.store.broker import QUEUES
from service.store.jobs import JobStore
from service.store.measurements import BOUNDS_SECONDS, Observations, read_measured
from service.store.workers import WorkerRegistry

log = structlog.get_logger("weightcast.api")

_ARTIFACT_SCAN_SECONDS = 60.0

# Of what is counted in Redis: its name there, metric, help, labels.
_COUNTERS = (
    ("jobs", "weightcast_jobs", "Jobs that ended, by how.", ("kind", "status")),
    ("failures", "weightcast_job_failures", "Jobs that failed, by the type of problem.", ("kind", "problem")),
    (
        "redeliveries",
        "weightcast_job_redeliveries",
        "Attempts at a job after its first: a worker died or was lost.",
        ("kind",),
    ),
    (
        "unsupported",
        "weightcast_unsupported_operators",
        "Architectures that were refused for an operator, by its name.",
        ("operator",),
    ),
)
_HISTOGRAMS = (
    (
        "queue_wait",
        "weightcast_job_queue_wait_seconds",
        "From a job's creation to its first attempt.",
        ("kind",),
    ),
    (
        "duration",
        "weightcast_job_duration_seconds",
        "From a job's first attempt to its end.",
        ("kind", "status"),
    ),
    (
        "stage",
        "weightcast_job_stage_duration_seconds",
        "Time of one stage of a succeeded job in its worker.",
        ("kind", "stage"),
    ),
)


class StoreCollector(Collector):
    """Metrics that are read when they are asked for."""

    def __init__(self, jobs: JobStore, workers: WorkerRegistry, artifacts: ArtifactStore) -> None:
        self._jobs = jobs
        self._workers = workers
        self._artifacts = artifacts
        self._artifact_bytes = 0
        self._scanned = float("-inf")
        self._scanning = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        return ()  # registering must not ask Redis

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("weightcast_redis_up", "1 while the job store answers.")
        try:
            yield from [*self._queues(), *self._history()]
            up.add_metric((), 1)
        except ServiceError as error:
            log.warning("metrics.store_unreachable", detail=error.detail)
            up.add_metric((), 0)
        yield up
        yield self._disk()

    def _queues(self) -> Iterable[Metric]:
        depth = GaugeMetricFamily("weightcast_queue_depth", "Messages waiting in a queue.", labels=("queue",))
        workers = GaugeMetricFamily("weightcast_workers", "Warm workers of a queue.", labels=("queue",))
        heartbeat = GaugeMetricFamily(
            "weightcast_worker_heartbeat_age_seconds",
            "Since any worker of the queue gave a sign of life; grows when the last one has gone.",
            labels=("queue",),
        )
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
        for queue, age in self._workers.heartbeat_ages().items():
            heartbeat.add_metric((queue,), age)
        for (kind, status), count in Tally((job.kind, job.status.value) for job in live).items():
            unfinished.add_metric((kind, status), count)
        return depth, workers, heartbeat, unfinished, oldest

    def _history(self) -> Iterable[Metric]:
        measured = read_measured(self._jobs.redis)
        for name, metric, text, labels in _COUNTERS:
            counter = CounterMetricFamily(metric, text, labels=labels)
            for values, count in measured.counters[name].items():
                counter.add_metric(values, count)
            yield counter
        for name, metric, text, labels in _HISTOGRAMS:
            yield _histogram(metric, text, labels, measured.histograms[name])

    def _disk(self) -> Metric:
        with self._scanning:  # one look at all files, however many ask at once
            if time.monotonic() - self._scanned > _ARTIFACT_SCAN_SECONDS:
                self._artifact_bytes, self._scanned = self._artifacts.total_bytes(), time.monotonic()
        gauge = GaugeMetricFamily("weightcast_artifact_bytes", "Size of all stored files.")
        gauge.add_metric((), self._artifact_bytes)
        return gauge


def _histogram(
    metric: str, text: str, labels: tuple[str, ...], observed: Mapping[tuple[str, ...], Observations]
) -> Metric:
    """Prometheus' buckets hold all that lies below their bound; ours hold what lies between two bounds."""
    family = HistogramMetricFamily(metric, text, labels=labels)
    for values, seen in observed.items():
        below, buckets = 0, []
        for bound, count in zip((*BOUNDS_SECONDS, inf), seen.buckets, strict=True):
            below += count
            buckets.append(("+Inf" if bound == inf else str(bound), float(below)))
        family.add_metric(values, buckets, seen.seconds)
    return family
