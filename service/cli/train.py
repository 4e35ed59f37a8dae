"""weightcast train: a GHN for your own data and classes, or a SMASH hypernetwork."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli import options
from service.cli.console import emit_json, progress_bar, say
from service.cli.failures import INTERRUPTED
from service.cli.inventory_lines import inventory_lines
from service.image_options import DATA

if TYPE_CHECKING:
    from service.settings import Settings
    from training.ghn.recipe import TrainConfig


class Kind(StrEnum):
    GHN = "ghn"
    SMASH = "smash"


class Gnn(StrEnum):
    GATED = "gated"
    TRANSFORMER = "transformer"
    MLP = "mlp"


_GHN_PREFIXES = {Gnn.GATED: "ghn2", Gnn.TRANSFORMER: "ghn3", Gnn.MLP: "mlp"}


def train(
    data: Annotated[str, typer.Option(help=f"{DATA}.")],
    kind: Annotated[
        Kind,
        typer.Option(help="A GHN, or a SMASH hypernetwork, which generates weights for its own space alone."),
    ] = Kind.GHN,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where CIFAR-10 lies, or goes. [default: WEIGHTCAST_DATA_DIR]")
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Train so long.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Train so many steps.")] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the model. [default: ghn2-DATA, ghn3-DATA or smash-DATA]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run of this name.")] = False,
    anew: Annotated[
        bool, typer.Option("--replace", help="Start anew, and replace the run and the model of this name.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="MODEL", help="Start with the weights of a model, or of a run or model folder."
        ),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes to share the work. [default: one a GPU, or a core]")
    ] = None,
    gnn: Annotated[
        Gnn | None,
        typer.Option(help="GHN-2 (gated), GHN-3 (transformer), or the baseline mlp. [default: gated]"),
    ] = None,
    hidden: Annotated[
        int | None, typer.Option(min=4, help="Width of a node state. [default: 32; transformer: 64]")
    ] = None,
    layers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Of the transformer. [default: 3]")
    ] = None,
    heads: Annotated[int | None, typer.Option(min=1, max=64, help="Of the transformer. [default: 8]")] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(min=1e-7, max=1, help="The highest. [default: 0.004; transformer: 0.001; SMASH: 0.01]"),
    ] = None,
    mirror: options.Mirror = None,
    skip_bad: options.SkipBad = False,
    seed: Annotated[int, typer.Option(help="Same seed, data and steps: same model.")] = 0,
    plot: options.Plot = None,
    json: options.Json = False,
) -> None:
    """Train a GHN or a SMASH hypernetwork, and keep it as a model.

    Ctrl-C ends the run after its current step, and keeps what was learned as a model; --resume goes on.
    Exit status 130 then. A training whose loss is no number any more ends with status 1 and no model.
    """
    if (minutes is None) == (steps is None):
        raise typer.BadParameter("give --minutes or --steps, one of them", param_hint="--minutes")
    if kind is Kind.SMASH and (start is not None or processes is not None):
        raise typer.BadParameter(
            "a SMASH hypernetwork starts from nothing, in one process", param_hint="--from, --processes"
        )
    said = {"gnn": gnn and gnn.value, "hidden": hidden, "layers": layers, "heads": heads}
    said = {key: value for key, value in said.items() if value is not None}
    if kind is Kind.SMASH and said:
        raise typer.BadParameter("only a GHN is told these", param_hint="--gnn, --hidden, --layers, --heads")
    if gnn is not Gnn.TRANSFORMER and (layers or heads) and not (resume or start):
        raise typer.BadParameter("only a transformer has them: --gnn transformer", param_hint="--layers")
    from service.settings import get_settings
    from training.data.image_folder.names import data_source

    settings, typed = get_settings(), data
    data = data_source(data, Path())
    prefix = "smash" if kind is Kind.SMASH else _GHN_PREFIXES[gnn or Gnn.GATED]
    chosen = name or f"{prefix}-{_slug(data)}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", chosen):
        raise typer.BadParameter(
            "up to 64 letters, digits, dots, dashes and underscores", param_hint="--name"
        )
    run_folder, model_folder = settings.home / "runs" / chosen, settings.home / "models" / chosen
    if resume and anew:
        raise typer.BadParameter("a run is gone on with, or replaced", param_hint="--resume, --replace")
    if model_folder.exists() and not run_folder.exists() and not anew:
        raise typer.BadParameter(
            f"there is a model {chosen!r} already; --replace takes its place", param_hint="--name"
        )
    if kind is Kind.GHN:
        from training.ghn.launch import prepare_environment

        prepare_environment()
    _check_run(run_folder, resume, anew)
    images: dict[str, Any] = {"data": data, "data_dir": str(data_dir or settings.data_dir)}
    images |= {"mirror": mirror, "skip_bad": skip_bad}
    again = _command(
        kind=kind.value if kind is not Kind.GHN else None, data=typed, data_dir=data_dir, minutes=minutes,
        steps=steps, learning_rate=learning_rate, mirror=mirror, skip_bad=skip_bad or None,
        seed=seed or None, name=chosen, resume=True,
    )  # fmt: skip
    if kind is Kind.SMASH:
        values = {**images, "seed": seed, "name": chosen, "minutes": minutes, "steps": steps}
        values |= {} if learning_rate is None else {"learning_rate": learning_rate}
        _train_smash(values, run_folder, model_folder, settings, again=again, plot=plot, json=json)
        return

    from training.ghn.launch import processes_for
    from training.ghn.recipe import TrainConfig, recipe_for

    config = TrainConfig(
        name=chosen,
        **images,
        minutes=minutes,
        steps=steps,
        seed=seed,
        from_model=start,
        ghn=_checked(said),
        learning_rate=learning_rate,
        **recipe_for(data),
    )
    count = processes or processes_for(config.largest_meta_batch, limit=settings.threads)
    # Several processes have one thread each; a single one runs its networks on all it may use.
    config = replace(config, threads=1 if count > 1 else settings.threads)

    from service.models.publish import publish
    from training.ghn.trainer import share_done
    from training.ghn.trainer import train as run

    last = _run(run, config, run_folder, settings, processes=count, resume=resume, quiet=json)
    if int(os.environ.get("RANK", "0")):  # under torchrun the first process has the result
        return
    _draw(run_folder, plot)
    publish(run_folder / "model", model_folder, replace=True)
    share = share_done(run_folder, config)
    if json:
        emit_json({"name": chosen, "folder": str(model_folder), **last, "complete": share >= 1})
    else:
        if (scores := last["validation"]) is not None:
            say(
                f"{scores['networks']} unseen networks with predicted weights: "
                f"{scores['mean']:.1f}% of {scores['images']:,} validation images correct on average, "
                f"{scores['max']:.1f}% at best"
            )
        say(f"{chosen}: in {model_folder}; use it with `weightcast predict SOURCE --model {chosen}`")
    if share < 1:
        typer.echo(f"Cut short after {share:.0%} of the training; the model is as it was then.", err=True)
        typer.echo(f"`{again}` goes on.", err=True)
        raise typer.Exit(INTERRUPTED)


def _command(**options: Any) -> str:
    """`weightcast train` with these options, as one types it."""
    words = ["weightcast", "train"]
    for name, value in options.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif value is not None:
            words += [f"--{flag}", f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)


def _run(
    run: Any,
    config: TrainConfig,
    folder: Path,
    settings: Settings,
    *,
    processes: int,
    resume: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Train, showing how it goes. Returns the `inventory` of the data, and the last `validation`."""
    last: dict[str, Any] = {"validation": None}
    with progress_bar(config.name) as progress:

        def on_record(record: dict[str, Any]) -> None:
            if record["kind"] == "data":
                last["inventory"] = {key: value for key, value in record.items() if key != "kind"}
            elif record["kind"] == "validation":
                last["validation"] = {key: record[key] for key in ("mean", "max", "networks", "images")}
            elif record["kind"] == "train":
                message = f"loss {record['loss']:.3f}, {record['eta_seconds'] / 60:.1f} min left"
                progress(record["progress"], 1.0, message)
            for line in [] if quiet else _lines(record):
                say(line)

        run(
            config,
            folder,
            cache_dir=settings.home / "cache",
            resume=resume,
            processes=processes,
            on_progress=on_record,
        )
    return last


def _lines(record: dict[str, Any]) -> list[str]:
    if record["kind"] == "data":
        return inventory_lines(record)
    if record["kind"] == "validation":
        return [
            f"step {record['step']}: {record['networks']} unseen networks, {record['mean']:.1f}% of "
            f"{record['images']:,} validation images correct"
        ]
    return [
        f"step {record['step']}: loss {record['loss']:.3f}, {record['accuracy']:.1f}% of the batch, "
        f"{record['seconds']:.0f} s, {record['eta_seconds']:.0f} s left"
    ]


def _check_run(folder: Path, resume: bool, anew: bool) -> None:
    """A run is gone on with where it is there, and only then; one that is replaced is deleted."""
    from training.loop.run_folder import RunFolder

    is_there = RunFolder.is_run(folder)
    if is_there and anew:
        shutil.rmtree(folder)
        return
    if is_there and not resume:
        raise typer.BadParameter(
            f"there is a run {folder.name!r} already; --resume goes on with it, --replace starts anew",
            param_hint="--name",
        )
    if resume and not is_there:
        runs = sorted(path.name for path in folder.parent.glob("*") if RunFolder.is_run(path))
        raise typer.BadParameter(
            f"there is no run {folder.name!r} to go on with; runs: {', '.join(runs) or 'none'}",
            param_hint="--resume",
        )


def _train_smash(
    values: dict[str, Any], run_folder: Path, model_folder: Path, settings: Settings, *,
    again: str, plot: Path | None, json: bool,
) -> None:  # fmt: skip
    """Train, publish and report. values: fields of SmashTraining. again: the command that goes on."""
    from service.models.publish import publish
    from training.smash.config import SmashTraining
    from training.smash.run import run

    config = SmashTraining.from_dict(values)
    with progress_bar(config.name) as progress:

        def on_record(record: dict[str, Any]) -> None:
            if record["kind"] == "data":
                for line in [] if json else inventory_lines(record):
                    say(line)
                return
            line = f"step {record['step']}: loss {record['loss']:.3f}, {record['accuracy']:.1f}% of the batch"
            progress(record["progress"], 1.0, line)
            if not json:
                say(line)

        found = run(config, run_folder, cache_dir=settings.home / "cache", on_progress=on_record)
    _draw(run_folder, plot)
    if found is None:
        typer.echo(f"Stopped before the end, and no model was made. `{again}` goes on.", err=True)
        raise typer.Exit(INTERRUPTED)
    publish(run_folder / "model", model_folder, replace=True)
    if json:
        emit_json({"name": config.name, "folder": str(model_folder), **found})
        return
    scores = found["scores"]
    say(
        f"{scores['networks']} random networks with generated weights: {scores['mean']:.1f}% of "
        f"{scores['images']:,} validation images correct on average, "
        f"{scores['mean_permuted']:.1f}% with their descriptions mixed up"
    )
    ranking = f"weightcast rank FILE.jsonl --predictor smash:{config.name} --data {config.data}"
    say(f"{config.name}: in {model_folder}; use it with `{ranking}`")


def _draw(run_folder: Path, plot: Path | None) -> None:
    """The whole run so far, its earlier stretches included."""
    if plot is None:
        return
    from service.plots import training_chart
    from training.loop.run_folder import RunFolder

    training_chart(RunFolder(run_folder).records(), name=run_folder.name).save(plot)


def _checked(said: dict[str, Any]) -> dict[str, Any]:
    """What is told of a GHN, the published width of a transformer filled in. Raises BadParameter."""
    from service.ghn.config import GHN3_CIFAR10, GHNConfig

    fields = {"hidden": GHN3_CIFAR10.hidden, **said} if said.get("gnn") == "transformer" else said
    try:
        GHNConfig(**fields)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--hidden") from None
    return fields


def _slug(data: str) -> str:
    name = Path(data).stem if data.lower().endswith(".zip") else Path(data).name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"
