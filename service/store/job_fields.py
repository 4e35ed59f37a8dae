"""Jobs from the fields of their hashes in Redis."""

from __future__ import annotations

import json
from collections.abc import Sequence

from service.kit.json_types import JsonObject
from service.store.records import About, Job, JobStatus, JobSummary, Progress, links_of

# All but the result and the payload, which may be large.
SUMMARY_FIELDS = (
    "kind",
    "about",
    "status",
    "created_at",
    "started_at",
    "finished_at",
    "progress",
    "error",
    "key",
    "owner",
    "queue",
    "attempts",
    "cancel",
)


def summary_of(job_id: str, values: Sequence[str | None]) -> JobSummary | None:
    """From the values of `SUMMARY_FIELDS`; None where there is no record."""
    pairs = zip(SUMMARY_FIELDS, values, strict=True)
    fields = {name: value for name, value in pairs if value is not None}
    return JobSummary(**_common(job_id, fields)) if fields else None


def job_of(job_id: str, fields: dict[str, str]) -> Job:
    return Job(
        **_common(job_id, fields),
        result=json.loads(fields["result"]) if "result" in fields else None,
        payload=json.loads(fields["payload"]),
        trace=json.loads(fields.get("trace", "{}")),
    )


def _common(job_id: str, fields: dict[str, str]) -> JsonObject:
    return {
        "id": job_id,
        "kind": fields["kind"],
        "about": About.model_validate_json(fields.get("about", "{}")),
        "status": JobStatus(fields["status"]),
        "created_at": fields["created_at"],
        "started_at": fields.get("started_at"),
        "finished_at": fields.get("finished_at"),
        "progress": Progress.model_validate_json(fields["progress"]) if "progress" in fields else Progress(),
        "error": json.loads(fields["error"]) if "error" in fields else None,
        "links": links_of(job_id),
        "key": fields["key"],
        "owner": fields["owner"],
        "queue": fields["queue"],
        "attempts": int(fields["attempts"]),
        "cancel_requested": fields["cancel"] == "1",
    }
