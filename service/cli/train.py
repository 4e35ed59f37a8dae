"""weightcast train: a GHN for your own data and classes."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli import options
from service.cli.console import emit_json, progress_bar, say

if TYPE_CHECKING:
    from service.settings import Settings
    from training.recipe import TrainConfig


def train(
    data: Annotated[
        str, typer.Option(help="digits, cifar10, or a folder of images with one sub-folder a class.")
    ],
    data_dir: Annotated[
        Path | None, typer.Option(help="Where CIFAR-10 lies, or goes. [default: WEIGHTCAST_DATA_DIR]")
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Train so long.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Train so many steps.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model. [default: ghn2-DATA]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run of this name.")] = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="MODEL", help="Start with the weights of a model, or of a run or model folder."
        ),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes to share the work. [default: one a GPU, or a core]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, data and steps: same model.")] = 0,
    json: options.Json = False,
) -> None:
    """Train a GHN, and keep it as a model.

    Ctrl-C ends the run after its current step, and keeps what was learned; --resume goes on.
    """
    if (minutes is None) == (steps is None):
        raise typer.BadParameter("give --minutes or --steps, one of them", param_hint="--minutes")
    from service.settings import get_settings

    settings = get_settings()
    chosen = name or f"ghn2-{_slug(data)}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", chosen):
        raise typer.BadParameter(
            "up to 64 letters, digits, dots, dashes and underscores", param_hint="--name"
        )
    run_folder, model_folder = settings.home / "runs" / chosen, settings.home / "models" / chosen
    if model_folder.exists() and not run_folder.exists():
        raise typer.BadParameter(f"there is a model {chosen!r} already", param_hint="--name")

    from training.launch import prepare_environment, processes_for
    from training.recipe import TrainConfig, recipe_for

    prepare_environment()
    config = TrainConfig(
        name=chosen,
        data=data,
        data_dir=str(data_dir or settings.data_dir),
        minutes=minutes,
        steps=steps,
        seed=seed,
        from_model=start,
        **recipe_for(data),
    )
    count = processes or processes_for(config.largest_meta_batch, limit=settings.threads)
    # Several processes have one thread each; a single one runs its networks on all it may use.
    config = replace(config, threads=1 if count > 1 else settings.threads)

    from training.ghn import train as run

    last = _run(run, config, run_folder, settings, processes=count, resume=resume, quiet=json)
    if int(os.environ.get("RANK", "0")):  # under torchrun the first process has the result
        return
    _publish(run_folder / "model", model_folder)
    if json:
        emit_json({"name": chosen, "folder": str(model_folder), "validation": last})
        return
    if last is not None:
        say(
            f"{last['networks']} unseen networks with predicted weights: "
            f"{last['mean']:.1f}% correct on average, {last['max']:.1f}% at best"
        )
    say(f"{chosen}: in {model_folder}; use it with `weightcast predict SOURCE --model {chosen}`")


def _run(
    run: Any,
    config: TrainConfig,
    folder: Path,
    settings: Settings,
    *,
    processes: int,
    resume: bool,
    quiet: bool,
) -> dict[str, Any] | None:
    """Train, showing how it goes. Returns the last validation."""
    last: dict[str, Any] | None = None
    with progress_bar(config.name) as progress:

        def on_record(record: dict[str, Any]) -> None:
            nonlocal last
            if record["kind"] == "validation":
                last = {key: record[key] for key in ("mean", "max", "networks")}
            elif record["kind"] == "train":
                message = f"loss {record['loss']:.3f}, {record['eta_seconds'] / 60:.1f} min left"
                progress(record["progress"], 1.0, message)
            if not quiet:
                say(_line(record))

        run(
            config,
            folder,
            cache_dir=settings.home / "cache",
            resume=resume,
            processes=processes,
            on_progress=on_record,
        )
    return last


def _line(record: dict[str, Any]) -> str:
    if record["kind"] == "validation":
        return f"step {record['step']}: {record['networks']} unseen networks, {record['mean']:.1f}% correct"
    return (
        f"step {record['step']}: loss {record['loss']:.3f}, {record['accuracy']:.1f}% of the batch, "
        f"{record['seconds']:.0f} s, {record['eta_seconds']:.0f} s left"
    )


def _slug(data: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(data).name).strip("-.") or "model"


def _publish(trained: Path, target: Path) -> None:
    """Put the model where models are found; one that is there is replaced at once, never missing for long."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.new")
    stale = target.with_name(f".{target.name}.old")
    for leftover in (fresh, stale):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(trained, fresh)
    if target.exists():
        os.replace(target, stale)
    os.replace(fresh, target)
    shutil.rmtree(stale, ignore_errors=True)
