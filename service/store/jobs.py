"""Job records in Redis: the only truth about a job.

    create -> queued --begin--> running --finish--> succeeded
                 |                 |----fail------> failed
                 |                 |----cancelled-> cancelled
                 '--request_cancel----------------> cancelled

Every change is one Lua script (scripts.py). A worker changes a job with its token only; the token of a
worker that was declared dead no longer fits, so a stale holder cannot overwrite. Every method raises
Unavailable when Redis does not answer.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import redis
import structlog

from service import tracing
from service.contract.problem import Problem
from service.errors import Conflict, InvalidRequest
from service.settings import Settings
from service.store import scripts
from service.store.connection import connect, redis_or_unavailable
from service.store.job_fields import SUMMARY_FIELDS, job_of, summary_of
from service.store.measurements import facts_of
from service.store.records import About, Job, JobPage, JobStatus, JobSummary, new_job_id, now_text

log = structlog.get_logger("weightcast.jobs")

_JOB_ID = re.compile(r"[0-9a-f]{32}")
_NO_ABOUT = About()
_RESERVED_SECONDS = 60  # an idempotency key whose job is still being created


class JobStore:
    """Records, progress, events, cancel flags, idempotency keys."""

    def __init__(
        self, client: redis.Redis, *, ttl_seconds: int = 24 * 3600, idempotency_ttl_seconds: int = 24 * 3600
    ) -> None:
        self.redis = client
        self.ttl_seconds = ttl_seconds
        self.idempotency_ttl_seconds = idempotency_ttl_seconds
        self._create = client.register_script(scripts.CREATE)
        self._begin = client.register_script(scripts.BEGIN)
        self._finish = client.register_script(scripts.FINISH)
        self._cancel = client.register_script(scripts.CANCEL)
        self._report = client.register_script(scripts.REPORT)
        self._yield = client.register_script(scripts.YIELD)
        self._forget = client.register_script(scripts.FORGET)

    @classmethod
    def from_settings(cls, settings: Settings) -> JobStore:
        return cls(
            connect(settings),
            ttl_seconds=settings.job_ttl_seconds,
            idempotency_ttl_seconds=settings.idempotency_ttl_seconds,
        )

    # Reading

    @redis_or_unavailable()
    def get(self, job_id: str) -> Job | None:
        """The job, or None when there is none (any more)."""
        if not _JOB_ID.fullmatch(job_id):
            return None
        fields = self.redis.hgetall(f"wc:job:{job_id}")
        return job_of(job_id, fields) if fields else None

    @redis_or_unavailable()
    def by_key(self, key: str) -> Job | None:
        """The unfinished job that already does the work of this request key."""
        job_id = self.redis.get(f"wc:key:{key}")
        job = self.get(job_id) if job_id else None
        return job if job and not job.is_final and not job.cancel_requested else None

    @redis_or_unavailable()
    def list(
        self, kind: str | None = None, *, limit: int = 50, cursor: str | None = None, owner: str | None = None
    ) -> JobPage:
        """Jobs newest first, at most `limit`, without results. `cursor`: `next_cursor` of the page before.

        Errors: InvalidRequest for a cursor that is not ours.
        """
        if cursor is not None and not _JOB_ID.fullmatch(cursor):
            raise InvalidRequest("the cursor is not one that was handed out", field="/cursor")
        index = f"wc:jobs:{kind}" if kind else "wc:jobs"
        jobs: list[JobSummary] = []
        while True:
            upper = f"({cursor}" if cursor else "+"
            ids = self.redis.zrevrangebylex(index, upper, "-", start=0, num=limit + 1)
            for position, job in enumerate(self._summaries(ids)):
                if job is not None and owner in (None, job.owner):
                    if len(jobs) == limit:
                        return JobPage(jobs=jobs, next_cursor=jobs[-1].id)
                    jobs.append(job)
                cursor = ids[position]
            if len(ids) <= limit:
                return JobPage(jobs=jobs)

    @redis_or_unavailable()
    def live(self) -> Sequence[JobSummary]:
        """Every unfinished job, oldest first (for the reconciler)."""
        return [job for job in self._summaries(self.redis.zrange("wc:live", 0, -1)) if job is not None]

    @redis_or_unavailable()
    def live_count(self, owner: str) -> int:
        """How many unfinished jobs this owner has."""
        return int(self.redis.zcard(f"wc:live:{owner}"))

    @redis_or_unavailable()
    def queue_depth(self, queue: str) -> int:
        """Messages waiting in a queue of the broker (those being worked on are not counted)."""
        return int(self.redis.llen(queue))

    # The API's side

    @redis_or_unavailable()
    def create(
        self,
        kind: str,
        *,
        key: str,
        payload: Mapping[str, Any],
        owner: str,
        queue: str,
        about: About = _NO_ABOUT,
    ) -> Job:
        """Record a job as queued, or return the live job with the same `key` (an empty key shares nothing).

        Only a job with `is_new` is to be enqueued. 1,000 equal requests at once make one job.
        """
        job_id = new_job_id()
        args = [job_id, kind, queue, key, owner, _dump(payload), now_text(), _dump(tracing.carried())]
        args.append(about.model_dump_json(exclude_none=True))
        winner = self._create(args=args)
        # The one line that ties a request to a job that another request has started.
        log.info("job.created" if winner == job_id else "job.shared", job_id=winner, kind=kind)
        job = self.get(winner)
        if job is None:  # it ended and expired in between: only with a TTL of a few milliseconds
            raise Conflict("the job ended while this request was made", hint="send the request again")
        return job.model_copy(update={"is_new": winner == job_id})

    def answered(self, job: Job, result: Mapping[str, Any]) -> Job:
        """A new job, ended with a result that is known already, without any worker."""
        self.begin(job.id, job.id)
        self.finish(job.id, result, job.id)
        return self.get(job.id) or job

    @redis_or_unavailable()
    def request_cancel(self, job_id: str) -> Job | None:
        """Cancel a waiting job now, or ask the worker of a running one to stop. Repeatable; a final job
        stays as it is.
        """
        if _JOB_ID.fullmatch(job_id):
            self._cancel(args=[job_id, now_text(), self.ttl_seconds])
        return self.get(job_id)

    @redis_or_unavailable()
    def forget(self, job_id: str) -> bool:
        """Delete the record and the events of a job that has ended. False, and nothing changed, while it is
        not over.
        """
        return not _JOB_ID.fullmatch(job_id) or bool(self._forget(args=[job_id]))

    @redis_or_unavailable()
    def idempotency(self, key: str, body_digest: str) -> str | None:
        """Reserve an Idempotency-Key (scoped by owner by the caller); the id of its job when it was used
        before.

        After None, call `bind_idempotency` with the new job, or `release_idempotency` when none was made.
        Errors: InvalidRequest when the key came with another body; Conflict while the first request is being
        worked on.
        """
        name = f"wc:idem:{key}"
        if self.redis.set(name, f"{body_digest}|", nx=True, ex=_RESERVED_SECONDS):
            return None
        digest, _, job_id = (self.redis.get(name) or "").partition("|")
        if digest != body_digest:
            raise InvalidRequest(
                "this Idempotency-Key was used with another request body",
                header="Idempotency-Key",
                hint="use a new key for a new request",
            )
        if not job_id:
            raise Conflict(
                "the first request with this Idempotency-Key is still being worked on", retry_after=1
            )
        return job_id

    @redis_or_unavailable()
    def bind_idempotency(self, key: str, body_digest: str, job_id: str) -> None:
        self.redis.set(f"wc:idem:{key}", f"{body_digest}|{job_id}", ex=self.idempotency_ttl_seconds)

    @redis_or_unavailable()
    def release_idempotency(self, key: str) -> None:
        self.redis.delete(f"wc:idem:{key}")

    # The worker's side

    @redis_or_unavailable()
    def begin(self, job_id: str, token: str) -> int:
        """Start an attempt; its number (1, 2, ...), or 0 when the job is final, cancelled or gone."""
        return int(self._begin(args=[job_id, token, now_text(), self.ttl_seconds]))

    @redis_or_unavailable()
    def progress(self, job_id: str, done: float, total: float, message: str = "", *, token: str = "") -> bool:
        """Say how far a running job is. False when the job is not running, or `token` does not own it."""
        progress = _dump({"done": done, "total": total, "message": message})
        return bool(self._report(args=[job_id, token, "progress", progress, "progress", progress]))

    @redis_or_unavailable()
    def metric(self, job_id: str, values: Mapping[str, Any], *, token: str = "") -> bool:
        """Add one line of measurements to the events of a running job."""
        return bool(self._report(args=[job_id, token, "metric", _dump(values)]))

    @redis_or_unavailable()
    def finish(self, job_id: str, result: Mapping[str, Any], token: str) -> bool:
        """Set the result. False, and nothing changed, when `token` does not own the job."""
        return self._close(job_id, token, JobStatus.SUCCEEDED, "result", result)

    @redis_or_unavailable()
    def fail(self, job_id: str, problem: Problem, token: str = "") -> bool:
        """Set the problem document. An empty token only closes a job that nobody works on."""
        return self._close(job_id, token, JobStatus.FAILED, "error", problem)

    @redis_or_unavailable()
    def cancelled(self, job_id: str, token: str = "") -> bool:
        """The work has stopped because it was asked to."""
        return self._close(job_id, token, JobStatus.CANCELLED, "", {})

    @redis_or_unavailable()
    def yield_back(self, job_id: str, token: str) -> bool:
        """Give a running job up in good order, to go on in another task; the attempts start anew."""
        return bool(self._yield(args=[job_id, token]))

    @redis_or_unavailable()
    def is_cancelled(self, job_id: str) -> bool:
        """Whether the job should stop: asked for, already cancelled, or the record is gone."""
        status, cancel = self.redis.hmget(f"wc:job:{job_id}", "status", "cancel")
        return status is None or status == JobStatus.CANCELLED or cancel == "1"

    @redis_or_unavailable()
    def prune_index(self) -> int:
        """Drop ids of expired records from the lists; returns how many."""
        cutoff = f"{int((time.time() - self.ttl_seconds) * 1000):012x}"
        ids = self.redis.zrangebylex("wc:jobs", "-", f"({cutoff}", start=0, num=1000)
        gone = [job_id for job_id, there in zip(ids, self._exist(ids), strict=True) if not there]
        for index in self.redis.scan_iter(match="wc:jobs*", count=1000) if gone else ():
            self.redis.zrem(index, *gone)
        return len(gone)

    def _close(
        self, job_id: str, token: str, status: JobStatus, field: str, value: Mapping[str, Any]
    ) -> bool:
        facts = _dump(facts_of(value))
        args = [job_id, token, status.value, field, _dump(value), now_text(), self.ttl_seconds, facts]
        return bool(self._finish(args=args))

    def _exist(self, ids: Iterable[str]) -> Sequence[bool]:
        with self.redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.exists(f"wc:job:{job_id}")
            return [bool(answer) for answer in pipe.execute()]

    def _summaries(self, ids: Iterable[str]) -> Sequence[JobSummary | None]:
        ids = list(ids)
        with self.redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hmget(f"wc:job:{job_id}", SUMMARY_FIELDS)
            answers = pipe.execute()
        return [summary_of(i, values) for i, values in zip(ids, answers, strict=True)]


def _dump(value: Mapping[str, Any]) -> str:
    # NaN is not JSON: a measurement that is not finite must be said in another way.
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
