"""weightcast finetune: a network of one's own, trained from the weights that a GHN predicts for it."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import options, sources
from service.cli.console import ReportProgress, emit_json, progress_bar, say
from service.cli.details import Details, read_details
from service.cli.failures import INTERRUPTED
from service.cli.from_contract import Values, checked, offers
from service.cli.inventory_lines import inventory_lines
from service.cli.output_file import check_target
from service.cli.remote import steps
from service.contract.finetune import Tuning
from service.contract.options import DATA
from service.training_progress import Record, progress_text

if TYPE_CHECKING:
    from service.contract.training_results import FineTuning

# A log without progress bar hears of a long epoch so often.
_PULSE_SECONDS = 30.0


@offers(Tuning)
def finetune(
    *,
    architecture: Annotated[
        str,
        typer.Argument(
            metavar="ARCHITECTURE",
            help=f"{sources.ONE_NETWORK} Its last layer needs one output for each class of the data.",
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            help=f"{DATA}; with --url, its name in the service's data folder.",
            autocompletion=options.data_names,
        ),
    ],
    data_dir: options.DataDir = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="FILE",
            help="File for the weights: .safetensors, or .onnx for a copy of an ONNX source with weights. "
            "[default: the name of ARCHITECTURE with .safetensors, in this folder]",
        ),
    ] = None,
    values: Values,
    input_shape: options.InputShape = None,
    num_classes: options.NumClasses = None,
    model: options.Model = None,
    mirror: options.Mirror = None,
    skip_bad: options.SkipBad = False,
    plot: options.Plot = None,
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:  # fmt: skip
    """Predict a network's weights, train it on images, and write the trained weights.

    Prints the accuracy on validation images before training and after every epoch, and writes the weights of
    the best epoch. Ctrl-C saves progress; run the same command again to resume.
    """
    target = out or Path(f"{sources.stem(architecture)}.safetensors")
    check_target(target, "weights", ".safetensors", ".onnx", sources=[architecture])
    if target.suffix == ".onnx" and not architecture.lower().endswith(".onnx"):
        raise typer.BadParameter("only an ONNX file can be filled in", param_hint="-o")
    # With a service the data are a name, which it checks.
    images = {"mirror": mirror, "skip_bad": skip_bad or url is not None}
    chosen = replace(checked(Tuning, {**values, **images, "model": model}), data=data)
    details = read_details(input_shape, num_classes)
    if url is None:
        _check_names(architecture, data, model)
    target.parent.mkdir(parents=True, exist_ok=True)
    with progress_bar("fine-tuning") as progress:
        if url is not None:
            result = _there(architecture, details, chosen, target, progress, url, api_key)
            for line in [] if json or not result.inventory else inventory_lines(result.inventory):
                say(line)
            for line in [] if json else _history_lines(result):
                say(line)
        else:
            result = _here(architecture, details, chosen, target, progress, data_dir, quiet=json)
    if plot is not None:
        from service.plots import fine_tuning_chart

        fine_tuning_chart(result.model_dump()).save(plot)
    if json:
        # What a service leaves out has its default; here everything is said.
        document = result.model_dump(
            mode="json", exclude={"kind"}, exclude_unset=url is None, exclude_none=url is not None
        )
        emit_json({"source": architecture, "file": str(target), **document})
        return
    if result.verdict is not None:
        say(result.verdict.sentence)
    say(
        f"{architecture}: {result.parameters:,} parameters, {result.test_accuracy:.1f}% of "
        f"{_counted(result.test_images, 'test')}{_kept(result)} -> {target}"
    )


def _check_names(architecture: str, data: str, model: str | None) -> None:
    """Before torch and images are loaded, which takes a while. Raises InvalidArchitecture, InvalidRequest,
    UnknownModel.
    """
    from service.cli.reading import check_source
    from service.models.catalog import find_card
    from training.data.image_folder.names import check_data

    check_source(architecture)
    check_data(data)
    if model is not None:
        find_card(model)


def _here(
    source: str, details: Details, chosen: Tuning, target: Path, progress: ReportProgress,
    data_dir: Path | None, *, quiet: bool,
) -> FineTuning:  # fmt: skip
    from safetensors.numpy import load

    from service.cli.reading import read_network
    from service.client._architectures import onnx_file
    from service.contract.training_results import FineTuning
    from service.errors import TrainingDiverged
    from service.graph_io.digest import graph_digest
    from service.graph_io.onnx_writer import fill_trained_onnx
    from service.kit.whole_file import write_whole
    from service.settings import get_settings
    from training.data.image_folder.names import data_source
    from training.finetune.config import tuning
    from training.finetune.run import WEIGHTS, run

    settings = get_settings()
    network = read_network(source, details, runnable=True)
    source_onnx = None if network.source_onnx is None else onnx_file(network.source_onnx)
    graph = network.graph
    local = replace(chosen, data=data_source(chosen.data, Path()))
    place = str(data_dir or settings.data_dir)
    config = tuning(local, chosen.model or settings.default_model, data_dir=place)
    # Named by what is done, so that the same command goes on with it.
    name = hashlib.sha256(f"{graph_digest(graph)} {config!r}".encode()).hexdigest()[:16]
    folder = settings.home / "runs" / f"finetune-{name}"

    last_line = time.monotonic()

    def tell(record: Record) -> None:
        if record["kind"] == "data":
            for line in [] if quiet else inventory_lines(record):
                say(line)
            return
        progress(record["progress"], 1.0, progress_text(record))
        if record["kind"] == "stage":
            return
        nonlocal last_line
        if not quiet and (record["kind"] != "pulse" or time.monotonic() - last_line > _PULSE_SECONDS):
            say(_line(record))
            last_line = time.monotonic()

    try:
        result = run(
            graph, config, folder,
            cache_dir=settings.home / "cache", on_progress=tell, source=source_onnx,
        )  # fmt: skip
    except TrainingDiverged:
        shutil.rmtree(folder)  # the same command would end there again
        raise
    if result is None:
        typer.echo("interrupted; run the same command again to resume", err=True)
        raise typer.Exit(INTERRUPTED)
    body = (folder / WEIGHTS).read_bytes()
    if target.suffix == ".onnx" and source_onnx is not None:
        file, beside = source_onnx
        body = fill_trained_onnx(file, load(body), beside)
    write_whole(target, body)
    shutil.rmtree(folder)
    return FineTuning.model_validate(result)


def _there(
    source: str, details: Details, chosen: Tuning, target: Path, progress: ReportProgress,
    url: str, api_key: str | None,
) -> FineTuning:  # fmt: skip
    from service.client import Client
    from service.contract.reading import written

    with Client(url, api_key=api_key, timeout=None) as client:
        tuned = client.fine_tune(
            details.for_client(source),
            input_shape=details.input_shape,
            **written(chosen),
            progress=steps(progress),
        )
    tuned.save(target)
    return tuned.result


def _line(record: Record) -> str:
    if record["kind"] == "pulse":
        return f"epoch {record['epoch']} under way, {record['progress']:.0%} of the whole training done"
    return (
        f"{record['kind']} start, epoch {record['epoch']}: loss {record['loss']:.3f}, "
        f"{record['training_accuracy']:.1f}% of {_counted(record.get('training_images'), 'training')}, "
        f"{record['validation_accuracy']:.1f}% of "
        f"{_counted(record.get('validation_images'), 'validation')}"
    )


def _history_lines(result: FineTuning) -> list[str]:
    """Of every start that was trained to the end."""
    compared = {"predicted": result.predicted, "random": result.random}
    histories = {kind: start.history for kind, start in compared.items() if start is not None} or {
        result.start.get("start", "predicted"): result.history
    }
    return [
        _line({"kind": kind, **epoch.model_dump()})
        for kind, history in histories.items()
        for epoch in history
    ]


def _kept(result: FineTuning) -> str:
    """Which weights they are, where that is not the last epoch's of the only start."""
    parts = []
    last, epoch = result.history[-1].epoch, result.kept_epoch
    if epoch is not None and epoch != last:
        parts.append(f"epoch {epoch} of {last} did best")
    others = {"predicted": ("random", result.random), "random": ("predicted", result.predicted)}
    name, other = others.get(str(result.start.get("start")), ("", None))
    if other is not None:
        parts.append(f"from the {name} start {other.test_accuracy:.1f}%")
    return f" ({', '.join(parts)})" if parts else ""


def _counted(images: int | None, part: str) -> str:
    """An older service does not say how many."""
    return f"the {part} images" if images is None else f"{images:,} {part} images"
