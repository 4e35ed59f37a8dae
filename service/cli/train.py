"""weightcast train: a GHN for your own data and classes, or another model that learns from images."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli import options
from service.cli.console import emit_json, progress_bar, say
from service.cli.failures import INTERRUPTED
from service.cli.from_contract import Values, assigned, checked, offers
from service.cli.inventory_lines import inventory_lines
from service.contract.ghn import GHNOptions, GHNTraining
from service.contract.kinds import KINDS, TrainingKind
from service.contract.options import DATA, MODEL_NAME, Images, ImageTraining, Observed, Options
from service.training_progress import Record

if TYPE_CHECKING:
    from training.job import TrainingJob


# Where nothing is said; only it can be trained by several processes, and start from another model.
_GHN = "ghn"
_GHN_PREFIXES = {"gated": "ghn2", "transformer": "ghn3", "mlp": "mlp", "stacked": "ghn1"}


def kinds_here(learn_from: type[Options] = Images) -> list[str]:
    """Kinds of models that are trained on images; learn_from: and on these as well."""
    return [
        row.name
        for row in KINDS.values()
        if row.publishes and issubclass(row.options, Images) and issubclass(row.options, learn_from)
    ]


@offers(
    GHNOptions,
    into="network",
    only=("gnn", "hidden", "layers", "heads"),
    notes={
        "gnn": "[default: gated, which is GHN-2]",
        "hidden": "[default: 32; transformer: 64]",
        "layers": "[default: 3]",
        "heads": "[default: 8]",
    },
)
@offers(ImageTraining)
def train(
    *,
    data: Annotated[str, typer.Option(help=f"{DATA}.", autocompletion=options.data_names)],
    kind: Annotated[
        str, typer.Option(metavar=f"<{'|'.join(kinds_here())}>", help="Kind of model to train.")
    ] = _GHN,
    data_dir: options.DataDir = None,
    values: Values,
    name: Annotated[
        str | None, typer.Option(help="Name of the model. [default: ghn2-DATA, ghn3-DATA or KIND-DATA]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run of this name.")] = False,
    anew: Annotated[
        bool, typer.Option("--replace", help="Start again, and replace the run and the model of this name.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="MODEL", autocompletion=options.model_names,
            help="Start from the weights of a model, or of the folder of a model or run."
        ),
    ] = None,
    also_data: Annotated[
        str | None,
        typer.Option(
            help="A second set of images, with another number of classes; the GHN learns from both.",
            autocompletion=options.data_names,
        ),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Number of processes. [default: one per GPU, or per core]")
    ] = None,
    network: Values,
    learning_rate: Annotated[
        float | None,
        typer.Option(min=1e-7, max=1, help="Highest learning rate. [default: depends on --kind and --gnn]"),
    ] = None,
    observations: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False,
            help="Networks with their values, in the form that `weightcast predictor fit` reads; for --kind "
            f"{', '.join(kinds_here(Observed))}.",
        ),
    ] = None,
    further: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE",
            help="Any other option, as docs/jobs.md lists them for the kind: model.blocks=2.",
        ),
    ] = None,
    mirror: options.Mirror = None,
    skip_bad: options.SkipBad = False,
    plot: options.Plot = None,
    json: options.Json = False,
) -> None:  # fmt: skip
    """Train a GHN, or a model of another kind that learns from images.

    Ctrl-C stops after the current step, saves the model as it is, and exits with status 130; --resume
    continues. If the loss becomes infinite or NaN, the training fails with status 1 and saves no model.
    """
    if kind not in kinds_here():
        raise typer.BadParameter(f"kinds: {', '.join(kinds_here())}", param_hint="--kind")
    if kind != _GHN and (start, also_data, processes) != (None, None, None):
        raise typer.BadParameter(
            "only a GHN starts from another, learns from two data sets, or is trained in several processes",
            param_hint="--from, --also-data, --processes",
        )
    if kind != _GHN and network:
        raise typer.BadParameter("only a GHN has them", param_hint="--gnn, --hidden, --layers, --heads")
    if network.get("gnn") != "transformer" and {"layers", "heads"} & {*network} and not (resume or start):
        raise typer.BadParameter("only a transformer has them: --gnn transformer", param_hint="--layers")
    if issubclass(KINDS[kind].options, Observed) != (observations is not None):
        raise typer.BadParameter(
            "for kinds that learn from them, and those need them", param_hint="--observations"
        )
    document = {**values, "mirror": mirror, "skip_bad": skip_bad, "learning_rate": learning_rate}
    document |= assigned(further or ())
    if kind == _GHN:
        document["ghn"] = {**_checked(network), **document.get("ghn", {})}
    if observations is not None:
        document["observations"] = _observations(observations)
    chosen = checked(KINDS[kind].options, document)
    assert isinstance(chosen, Images)  # as all of these kinds are
    from service.settings import get_settings
    from training.data.image_folder.names import check_data, data_source

    settings, typed = get_settings(), data
    data = data_source(data, Path())
    check_data(data)
    also = None if also_data is None else data_source(also_data, Path())
    if also is not None:
        check_data(also, "/also_data")
    prefix = _GHN_PREFIXES[network.get("gnn", "gated")] if kind == _GHN else kind
    name = name or f"{prefix}-{_slug(data)}"
    if not re.fullmatch(MODEL_NAME, name):
        raise typer.BadParameter(
            "up to 64 letters, digits, dots, dashes and underscores", param_hint="--name"
        )
    run_folder, model_folder = settings.home / "runs" / name, settings.home / "models" / name
    if resume and anew:
        raise typer.BadParameter("a run is gone on with, or replaced", param_hint="--resume, --replace")
    if model_folder.exists() and not run_folder.exists() and not anew:
        raise typer.BadParameter(
            f"there is a model {name!r} already; --replace takes its place", param_hint="--name"
        )
    if kind == _GHN:
        from training.loop.environment import prepare_environment

        prepare_environment()
    _check_run(run_folder, resume, anew)
    again = _command(
        kind=kind if kind != _GHN else None, data=typed, also_data=also_data, data_dir=data_dir,
        minutes=values.get("minutes"),
        steps=values.get("steps"), learning_rate=learning_rate, mirror=mirror, skip_bad=skip_bad or None,
        seed=values.get("seed") or None, name=name, observations=observations, set=further, resume=True,
    )  # fmt: skip
    settings = settings.model_copy(update={"data_dir": data_dir or settings.data_dir})
    chosen = replace(chosen, data=data)
    if isinstance(chosen, GHNTraining):
        chosen = replace(chosen, from_model=start, also_data=also)
    from training.job import TrainingJob

    job = TrainingJob(name=name, folder=run_folder, settings=settings, processes=processes)
    _train(KINDS[kind], chosen, job, model_folder, again=again, plot=plot, json=json)


def _command(**options: Any) -> str:
    """`weightcast train` with these options, as one types it."""
    words = ["weightcast", "train"]
    for name, value in options.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
            continue
        for each in value if isinstance(value, list) else [value]:
            if each is not None:
                words += [f"--{flag}", f"{each:g}" if isinstance(each, float) else str(each)]
    return shlex.join(words)


def _lines(record: Record) -> list[str]:
    """What a person is told of a record of the training."""
    if record["kind"] == "data":
        return inventory_lines(record)
    if record["kind"] == "validation":
        return [
            f"step {record['step']}: {record['networks']} unseen networks, {record['mean']:.1f}% of "
            f"{record['images']:,} validation images correct"
        ]
    parts = {"loss": "loss {:.3f}", "accuracy": "{:.1f}% of the batch", "seconds": "{:.0f} s"}
    numbers = [text.format(record[name]) for name, text in parts.items() if name in record]
    left = [f"{record['eta_seconds']:.0f} s left"] if "eta_seconds" in record else []
    return [f"step {record['step']}: {', '.join([*numbers, *left])}"]


def _check_run(folder: Path, resume: bool, anew: bool) -> None:
    """A run is gone on with where it is there, and only then; one that is replaced is deleted."""
    from training.loop.run_folder import RunFolder

    is_there = RunFolder.is_run(folder)
    if is_there and anew:
        shutil.rmtree(folder)
        return
    if is_there and not resume:
        raise typer.BadParameter(
            f"there is a run {folder.name!r} already; --resume continues it, --replace starts anew",
            param_hint="--name",
        )
    if resume and not is_there:
        runs = sorted(path.name for path in folder.parent.glob("*") if RunFolder.is_run(path))
        raise typer.BadParameter(
            f"there is no run {folder.name!r} to resume; runs: {', '.join(runs) or 'none'}",
            param_hint="--resume",
        )


def _train(
    row: TrainingKind, chosen: Images, job: TrainingJob, model_folder: Path, *,
    again: str, plot: Path | None, json: bool,
) -> None:  # fmt: skip
    """Train, publish the model as it is in the end, and report. again: the command that goes on."""
    from service.kit.references import resolve
    from service.models.publish import publish
    from training.loop.progress import share_done

    seen: Values = {}
    with progress_bar(job.folder.name) as progress:

        def report(record: Record) -> None:
            lines = _lines(record)
            if record["kind"] == "data":
                # As the result has it: of the first data set.
                seen.setdefault("inventory", {key: value for key, value in record.items() if key != "kind"})
            elif record["kind"] == "validation":
                seen["validation"] = {key: record[key] for key in ("mean", "max", "networks", "images")}
            else:
                progress(record["progress"], 1.0, lines[0])
            for line in [] if json else lines:
                say(line)

        result = resolve(row.run)(chosen, replace(job, report=report))
    if int(os.environ.get("RANK", "0")):  # under torchrun the first process has the result
        return
    _draw(job.folder, plot)
    publish(job.folder / "model", model_folder, replace=True)
    if json:
        complete = {"complete": result is not None}
        emit_json({"name": job.name, "folder": str(model_folder), **seen, **(result or {}), **complete})
    else:
        for line in [] if result is None or row.lines is None else resolve(row.lines)(result):
            say(line)
        use = "" if row.use is None else f"; use it with `{row.use.format(name=job.name, data=chosen.data)}`"
        say(f"{job.name}: in {model_folder}{use}")
    if result is None:
        share = share_done(job.folder)
        typer.echo(f"Cut short after {share:.0%} of the training; the model is as it was then.", err=True)
        typer.echo(f"Resume with `{again}`.", err=True)
        raise typer.Exit(INTERRUPTED)


def _observations(file: Path) -> list[Any]:
    """Raises the ServiceError of a line that cannot be read."""
    from service.cli.records import RESULT_LINES, read_records
    from service.cli.value_field import with_value
    from service.errors import ServiceError

    values = list(read_records(file, RESULT_LINES).values)
    for item in values:
        if isinstance(item, ServiceError):
            raise item
    return list(with_value(values, None, "accuracy"))


def _draw(run_folder: Path, plot: Path | None) -> None:
    """The whole run so far, its earlier stretches included."""
    if plot is None:
        return
    from service.plots import training_chart
    from training.loop.run_folder import RunFolder

    training_chart(RunFolder(run_folder).records(), name=run_folder.name).save(plot)


def _checked(network: Values) -> Values:
    """The options of a GHN, the published width of a transformer filled in. Raises BadParameter."""
    from service.ghn.config import GHN3_CIFAR10, GHNConfig

    fields = {"hidden": GHN3_CIFAR10.hidden, **network} if network.get("gnn") == "transformer" else network
    try:
        GHNConfig(**fields)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--hidden") from None
    return fields


def _slug(data: str) -> str:
    name = Path(data).stem if data.lower().endswith(".zip") else Path(data).name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"
