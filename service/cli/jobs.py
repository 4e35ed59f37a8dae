"""weightcast jobs: the work of a running service."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import options
from service.cli.console import duration, emit_json, progress_bar, say, table
from service.cli.failures import FAILED, Commands
from service.cli.inventory_lines import inventory_lines
from service.errors import InvalidRequest
from service.training_progress import Record

if TYPE_CHECKING:
    from service.client import Client, Job, JobEvent

_ID_LENGTH = 32

app = typer.Typer(cls=Commands, help="List, watch and cancel the jobs of a service.", no_args_is_help=True)
JobId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="Id of the job, or enough of its first characters.",
        autocompletion=options.job_ids,
    ),
]


@app.command("list")
def list_jobs(
    kind: Annotated[str | None, typer.Option(help="Only jobs of this kind.")] = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="Show at most N jobs.")] = 20,
    url: options.ServiceUrl = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """List jobs, newest first."""
    from service.client import Client

    with Client(url, api_key=api_key) as client:
        jobs = list(itertools.islice(client.jobs(kind=kind, page_size=min(limit, 200)), limit))
    if json:
        emit_json([job.model_dump(mode="json") for job in jobs])
    elif jobs:
        headings = ("id", "kind", "about", "status", "created", "took", "progress")
        say(table(headings, [_row(job) for job in jobs]))
    else:
        say("There are no jobs.")


@app.command()
def watch(
    job_id: JobId,
    url: options.ServiceUrl = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Follow a job until it ends: progress, time left, measurements.

    Exit status 0 if the job succeeded. Ctrl-C stops watching, not the job.
    """
    from service.client import Client

    with Client(url, api_key=api_key) as client:
        job_id = _whole_id(client, job_id)
        with progress_bar(job_id[:12]) as progress:
            story = Story()
            for event in client.job_events(job_id):
                story.take(event)
                progress(story.done, story.total, story.now)
                # On a terminal the bar tells what goes on; each step as a line would only push it away.
                on_the_bar = event.event in ("progress", "metrics") and sys.stderr.isatty()
                if not json and event.event != "end" and not on_the_bar:
                    say(story.line(event))
        job = client.job(job_id)
    if json:
        emit_json(job.model_dump(mode="json"))
    else:
        say(_ending(job))
    if job.status != "succeeded":
        raise typer.Exit(FAILED)


@app.command()
def cancel(
    job_id: JobId,
    url: options.ServiceUrl = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Cancel a queued or running job."""
    from service.client import Client

    with Client(url, api_key=api_key) as client:
        job = client.cancel_job(_whole_id(client, job_id))
    if json:
        emit_json(job.model_dump(mode="json"))
    else:
        say(f"{job.id}: {job.status}" + ("" if job.is_final else ", asked to stop"))


def _whole_id(client: Client, text: str) -> str:
    """The id of the one job whose id begins with the text. Raises InvalidRequest for several, or none."""
    if len(text) >= _ID_LENGTH:
        return text
    ids = [job.id for job in itertools.islice(client.jobs(page_size=200), 1000) if job.id.startswith(text)]
    if len(ids) == 1:
        return ids[0]
    raise InvalidRequest(
        f"{len(ids)} jobs begin with {text!r}." if ids else f"There is no job {text!r}.",
        field="/job_id",
        hint=f"They are {', '.join(ids[:3])}." if ids else "`weightcast jobs list` shows all jobs.",
    )


@dataclass(slots=True)
class Story:
    """What the events of a job have told so far."""

    clock: Callable[[], float] = time.monotonic
    done: float = 0.0
    total: float | None = None
    message: str = ""
    metrics: str = ""
    left_seconds: float | None = None
    _first: tuple[float, float] | None = field(default=None)

    @property
    def now(self) -> str:
        return self.metrics or self.message

    def take(self, event: JobEvent) -> None:
        data = event.data
        if event.event == "progress":
            self.done, self.total = float(data.get("done", 0)), data.get("total") or None
            self.message = str(data.get("message", ""))
            self.left_seconds = self._estimate()
        elif event.event == "metrics":
            self.metrics = readable(data)
            seconds = data.get("eta_seconds")
            self.left_seconds = float(seconds) if isinstance(seconds, int | float) else self.left_seconds

    def line(self, event: JobEvent) -> str:
        """This event as a line of a log, with the time left where it is known."""
        left = "" if self.left_seconds is None else f", {duration(self.left_seconds)} left"
        if event.event == "state":
            return f"state: {event.data.get('status')}"
        if event.event == "progress":
            share = f" {self.done:g}/{self.total:g}" if self.total else ""
            return f"progress:{share} {self.message}".rstrip() + left
        if event.event == "metrics" and event.data.get("kind") == "data":
            return "\n".join(inventory_lines(event.data))
        return f"{event.event}: {readable(event.data)}" + (left if event.event == "metrics" else "")

    def _estimate(self) -> float | None:
        """From the pace since the first progress that was seen: a job watched late has a past."""
        if self._first is None:
            self._first = (self.clock(), self.done)
        since, begun = self._first
        if not self.total or self.done <= begun:
            return None
        return (self.clock() - since) * (self.total - self.done) / (self.done - begun)


def readable(values: Record) -> str:
    """Measurements on one line: numbers rounded, what is nested left to --json."""
    shown = {
        name: f"{value:.4g}" if isinstance(value, float) else str(value)
        for name, value in values.items()
        if isinstance(value, str | int | float) and name != "eta_seconds"  # said as the time left
    }
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def _ending(job: Job) -> str:
    took = f" after {_took(job)}" if _took(job) else ""
    reason = "" if job.error is None else f": {job.error.get('detail', job.error)}"
    return f"{' '.join(filter(None, (kind_of(job), subject(job))))} {job.status}{took}{reason}"


def _took(job: Job) -> str:
    if job.started_at is None or job.finished_at is None:
        return ""
    return duration((job.finished_at - job.started_at).total_seconds())


def kind_of(job: Job) -> str:
    """Such as `predict`, or `training ghn`."""
    return " ".join(filter(None, (job.kind, job.about.task)))


def subject(job: Job) -> str:
    """What the job is about in a few words, such as `resnet50` or `12 architectures, ranker`."""
    about = job.about
    count = "" if about.architectures is None else f"{about.architectures:,} architectures"
    # A prediction is found by its network, whatever model answers.
    return about.name or ", ".join(filter(None, (about.space, count, about.model)))


def _row(job: Job) -> tuple[str, ...]:
    created = "" if job.created_at is None else f"{job.created_at.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    progress = "" if job.progress is None or job.is_final else job.progress.message
    return job.id, kind_of(job), subject(job), job.status, created, _took(job), progress
