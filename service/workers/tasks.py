"""The Celery tasks: each takes a job id, finds the work of its kind, and runs it once."""

from __future__ import annotations

from service.store.broker import TASK_OF_QUEUE
from service.workers.app import app


def _run(job_id: str) -> None:
    # Imported in the child: what the work needs (torch) must not be loaded in the parent.
    from service.workers import child, work
    from service.workers.hearing import hearing

    with hearing.at_work():
        work.run(child.current(), job_id)


for _name in TASK_OF_QUEUE.values():
    app.task(_run, name=_name)
