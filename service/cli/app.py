"""All commands under one name."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from service.cli import (
    compare,
    doctor,
    embed,
    evaluate,
    finetune,
    health,
    jobs,
    models,
    predict,
    predictor,
    rank,
    running,
    search,
    splits,
    train,
    version,
)
from service.cli.console import escape_what_cannot_be_shown
from service.cli.failures import Commands
from service.kit.openmp import let_waiting_threads_sleep

app = typer.Typer(
    cls=Commands,
    name="weightcast",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_set: bool) -> None:
    if is_set:
        typer.echo(version.version_text())
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Predict the weights of untrained neural networks, and rank networks without training them."""


# In the order of the help, by what they are for.
app.command()(predict.predict)
app.command()(embed.embed)
app.command()(compare.compare)
app.command()(rank.rank)
app.add_typer(predictor.app, name="predictor")
app.command()(search.search)
app.command()(train.train)
app.command()(finetune.finetune)
app.command()(evaluate.evaluate)
app.command()(splits.architectures)
app.add_typer(models.app, name="models")
app.command()(running.serve)
app.command()(running.api)
app.command()(running.worker)
app.add_typer(jobs.app, name="jobs")
app.command()(doctor.doctor)
app.command()(health.health)
app.command()(version.version)


def main() -> None:
    """Entry point of the console script."""
    let_waiting_threads_sleep()
    escape_what_cannot_be_shown()
    # The name is what shells complete, however the command was started.
    app(sys.argv[1:], prog_name="weightcast")
