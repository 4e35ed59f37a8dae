"""weightcast jobs: the work of a running service."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import options
from service.cli.console import emit_json, progress_bar, say, table
from service.cli.failures import FAILED

if TYPE_CHECKING:
    from service.client import Job, JobEvent

app = typer.Typer(help="The jobs of a service.", no_args_is_help=True)
JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job.")]


@app.command("list")
def list_jobs(
    kind: Annotated[str | None, typer.Option(help="Only jobs of this kind.")] = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="So many at most.")] = 20,
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
    else:
        say(table(("id", "kind", "status", "created", "progress"), [_row(job) for job in jobs]))


@app.command()
def watch(
    job_id: JobId,
    url: options.ServiceUrl = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Follow a job until it has ended. Exit status 0 if it succeeded."""
    from service.client import Client

    with Client(url, api_key=api_key) as client:
        with progress_bar(job_id[:12]) as progress:
            for event in client.job_events(job_id):
                if event.event == "progress":
                    progress(
                        event.data.get("done", 0), event.data.get("total"), event.data.get("message", "")
                    )
                if not json and event.event != "end":
                    say(_event_line(event))
        job = client.job(job_id)
    if json:
        emit_json(job.model_dump(mode="json"))
    elif job.error is not None:
        say(f"error: {job.error.get('detail', job.error)}")
    if job.status != "succeeded":
        raise typer.Exit(FAILED)


@app.command()
def cancel(
    job_id: JobId,
    url: options.ServiceUrl = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Stop a job, queued or running."""
    from service.client import Client

    with Client(url, api_key=api_key) as client:
        job = client.cancel_job(job_id)
    if json:
        emit_json(job.model_dump(mode="json"))
    else:
        say(f"{job.id}: {job.status}" + ("" if job.is_final else ", asked to stop"))


def _row(job: Job) -> tuple[str, ...]:
    created = "" if job.created_at is None else job.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return job.id, job.kind, job.status, created, "" if job.progress is None else job.progress.message


def _event_line(event: JobEvent) -> str:
    if event.event == "state":
        return f"state: {event.data.get('status')}"
    if event.event == "progress":
        total = event.data.get("total")
        share = f" {event.data.get('done'):g}/{total:g}" if total else ""
        return f"progress:{share} {event.data.get('message', '')}".rstrip()
    values = ", ".join(f"{key} {value}" for key, value in event.data.items())
    return f"{event.event}: {values}"
