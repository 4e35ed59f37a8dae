"""weightcast predict: weights for networks, in this process or by a service."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer

from service.cli import options, sources
from service.cli.console import ReportProgress, emit_json, progress_bar, say
from service.cli.details import Details, read_details
from service.cli.failures import SourceFailures
from service.cli.from_contract import Values, checked, offers
from service.cli.modules import names_module
from service.cli.remote import steps
from service.contract.predict import PredictOptions
from service.errors import ServiceError

if TYPE_CHECKING:
    from service.client import PredictedWeights

# Weights, and the seconds that went into loading libraries and the model
Predictor = Callable[[str, ReportProgress], "tuple[PredictedWeights, float]"]


@offers(
    PredictOptions,
    only=("dtype", "output"),
    flags={"output": ("--format", "--output")},
    notes={"output": "[default: by the ending of -o, else safetensors]"},
    unset=("output",),
)
def predict(
    *,
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help=f"{sources.ONE_NETWORK} A list, nets.jsonl, stands for all its lines.",
        ),
    ],
    model: options.Model = None,
    out: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE|DIR",
            help="File or folder to write to. [default: the name of SOURCE, in this folder]",
        ),
    ] = None,
    values: Values,
    input_shape: options.InputShape = None,
    num_classes: options.NumClasses = None,
    no_classifier: Annotated[
        bool, typer.Option("--no-classifier", help="Give the last layer the standard initialisation.")
    ] = False,
    plot: options.Plot = None,
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Predict the weights of networks, and write them to files."""
    names = sources.expand(source)
    targets = sources.Targets(out, values.get("output"), several=len(names) > 1)
    targets.check(names)
    if names.count("-") > 1:
        raise typer.BadParameter("standard input can be read once", param_hint="SOURCE")
    if plot is not None and len(names) > 1:
        raise typer.BadParameter("a chart shows the weights of one network", param_hint="--plot")

    details = read_details(input_shape, num_classes)
    further = {"output": targets.output, "model": model, "include_classifier": not no_classifier}
    chosen = checked(PredictOptions, {**values, **further})
    rows: list[_Row] = []
    failures = SourceFailures()
    with _predictor(chosen, details, url, api_key) as predict_one:
        for name in names:
            try:
                rows.append(_predict_to_file(name, predict_one, targets, plot))
            except Exception as error:
                # One bad network must not keep the others from their weights.
                failures.tell(error, name)
            else:
                if not json:
                    say(_line(rows[-1]))
                    for note in rows[-1]["notes"]:
                        say(f"  note: {note}")
    if json:
        emit_json(rows)
    failures.exit()


def _predict_to_file(name: str, predict_one: Predictor, targets: sources.Targets, plot: Path | None) -> _Row:
    start = time.perf_counter()
    with progress_bar(sources.stem(name)) as progress:
        weights, loading = predict_one(name, progress)
        if not weights.complete:
            raise ServiceError("The answer lacks some of the network's parameters; nothing was written.")
        progress(0, None, "writing")
        path = weights.save(targets.path(name), output=targets.output)
        if plot is not None:
            weights.plot(name).save(plot)
    return {
        "source": name,
        "model": weights.model,
        "num_parameters": weights.num_parameters,
        "complete": weights.complete,
        "coverage": round(weights.coverage, 6),
        "numbers": weights.numbers,
        "notes": list(weights.notes),
        "defaulted": list(weights.defaulted),
        "seconds": round(time.perf_counter() - start - loading, 4),
        "loading_seconds": round(loading, 4),
        "file": str(path),
    }


def _line(row: _Row) -> str:
    from service.weights.blocks import shares

    size = Path(row["file"]).stat().st_size
    loading = f" after {row['loading_seconds']:.1f} s of loading" if row["loading_seconds"] >= 0.1 else ""
    return (
        f"{row['source']}: {row['num_parameters']:,} parameters, {shares(row['numbers'])}, by {row['model']} "
        f"in "
        f"{row['seconds']:.2f} s{loading} -> {row['file']} ({size / 1e6:.1f} MB)"
    )


class _Row(TypedDict):
    """What --json says of a source. seconds: without loading libraries and the model, `loading_seconds`."""

    source: str
    model: str
    num_parameters: int
    complete: bool
    coverage: float
    numbers: dict[str, int]
    notes: list[str]
    defaulted: list[str]
    seconds: float
    loading_seconds: float
    file: str


def _predictor(
    chosen: PredictOptions, details: Details, url: str | None, api_key: str | None
) -> AbstractContextManager[Predictor]:
    """How one source is predicted: by a service if a URL is given, otherwise here."""
    from service.models.catalog import find_card
    from service.weights.output import check_output

    check_output(chosen.output, chosen.dtype)
    if url is not None:
        return _there(chosen, details, url, api_key)
    if chosen.model is not None:
        # Before torch is loaded, which takes seconds.
        find_card(chosen.model)
    return _here(chosen, details)


@contextmanager
def _here(chosen: PredictOptions, details: Details) -> Iterator[Predictor]:
    """Predicts in this process. The model is loaded with the first source."""
    from service.cli.reading import check_source, read_network
    from service.client.weights import PredictedWeights

    model: Any = None

    def predict_one(source: str, progress: ReportProgress) -> tuple[PredictedWeights, float]:
        nonlocal model
        check_source(source)
        loading = _load_libraries(source)
        progress(0, None, "reading")
        network = read_network(source, details)
        start = time.perf_counter()
        if model is None:
            progress(0, None, "loading the model")
            model = _load_model(chosen.model)
        loading += time.perf_counter() - start
        progress(0, None, "predicting")
        blocks = model.predict(network.graph, include_classifier=chosen.include_classifier)
        weights = PredictedWeights(
            replace(blocks, dtype=chosen.dtype),
            source_onnx=network.source_onnx,
            expected=(parameter.name for parameter in network.graph.parameters()),
            notes=model.notes(network.graph, blocks, from_onnx=network.source_onnx is not None),
        )
        return weights, loading

    yield predict_one


def _load_libraries(source: str) -> float:
    """Import what builds the network, if it is built here; the seconds that it took, nearly none again."""
    start = time.perf_counter()
    if source.startswith("torchvision:"):
        importlib.import_module("torchvision")
    if source.startswith("torchvision:") or names_module(source):
        importlib.import_module("service.graph_io.torch_tracer")
    return time.perf_counter() - start


def _load_model(name: str | None) -> Any:
    from service.ghn.registry import load_model
    from service.settings import get_settings

    settings = get_settings()
    return load_model(name or settings.default_model, settings.device)


@contextmanager
def _there(chosen: PredictOptions, details: Details, url: str, api_key: str | None) -> Iterator[Predictor]:
    """Predicts by a service. Weights travel as tiles whatever is written: the file is made here."""
    from service.client import Client
    from service.settings import get_settings

    def predict_one(source: str, progress: ReportProgress) -> tuple[PredictedWeights, float]:
        progress(0, None, "sending")
        weights = client.predict_weights(
            details.for_client(source),
            input_shape=details.input_shape,
            model=chosen.model or get_settings().default_model,
            dtype=chosen.dtype,
            include_classifier=chosen.include_classifier,
            progress=steps(progress),
        )
        return weights, 0.0

    with Client(url, api_key=api_key) as client:
        yield predict_one
