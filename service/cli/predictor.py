"""weightcast predictor: predictors from your own results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli import options
from service.cli.console import ReportProgress, emit_json, progress_bar, say
from service.cli.failures import Commands
from service.cli.from_contract import Values, checked, offers
from service.cli.remote import steps
from service.contract.predictor import Fitting

if TYPE_CHECKING:
    from service.cli.records import Records
    from service.contract.training_results import FittedPredictor

app = typer.Typer(cls=Commands, help="Fit predictors that rank architectures.", no_args_is_help=True)


_FAILED_WORDS = {
    "leave-out": "left out",
    "lowest": "taken for lower than all others",
    "highest": "taken for higher than all others",
}


@app.callback()
def _predictors() -> None:
    """Fit predictors that rank architectures."""


@app.command()
@offers(
    Fitting,
    completions={"ghn": options.ghn_names},
    notes={"failed": "In a file, NaN, infinite and empty values are failures too."},
)
def fit(
    *,
    observations: Annotated[
        Path,
        typer.Argument(
            metavar="OBSERVATIONS",
            exists=True,
            dir_okay=False,
            allow_dash=True,
            help='Lines such as {"architecture": {...}, "value": 93.1}, a JSON array of them, or CSV with a '
            "header.",
        ),
    ],
    name: Annotated[str, typer.Option(help="Name for the predictor.")],
    property: Annotated[str, typer.Option(help="Property that the values measure.")] = "accuracy",
    values: Values,
    value: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD",
            help="Field or column that holds the values. [default: value, else the name of the property, "
            "else the only one with numbers]",
        ),
    ] = None,
    plot: options.Plot = None,
    replace: options.Replace = False,
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Fit a predictor to architectures that you have trained or measured, and save it as a model.

    Compares several methods by cross-validation, saves the best, and prints its Kendall's rank correlation
    (tau) with a 90% interval. Results of one network from several seeds are held out together. Use it with
    `weightcast rank FILE --predictor NAME`.
    """
    from service.cli.records import RESULT_LINES, read_records
    from service.cli.value_field import with_value
    from service.errors import ServiceError

    if not property or len(property) > 80:
        raise typer.BadParameter("a property is a word of up to 80 characters", param_hint="--property")
    records = read_records(observations, RESULT_LINES)
    results = list(records.values)
    for item in results:
        if isinstance(item, ServiceError):
            raise item
    items = with_value(results, value, property)
    request = _Fit(items, name, property, checked(Fitting, values), replace)
    failed = request.options.failed
    try:
        with progress_bar("fitting") as progress:
            fitted = _here(request, progress) if url is None else _there(request, progress, url, api_key)
    except ServiceError as error:
        if "observation" in error.extra:
            where = records.label(error.extra["observation"])
            error.detail = f"{where.capitalize()}: {error.detail}"
        raise
    if json:
        # A service names a model and its kind; here is only one of both.
        report = fitted.model_dump(mode="json", exclude={"model", "kind", "property"})
        emit_json({"name": name, "failed_as": failed, **report})
    else:
        _show(fitted, property, _FAILED_WORDS[failed], records)
    if plot is not None:
        from service.plots import predictor_chart

        predictor_chart(fitted.model_dump(), measured=property).save(plot)


def _show(fitted: FittedPredictor, measured: str, failed_as: str, records: Records) -> None:
    low, high = fitted.interval
    say(
        f"{fitted.model}: fitted on {fitted.n} observations of {measured}, of {fitted.networks} "
        f"different networks ({fitted.method}); cross-validated Kendall's tau "
        f"{fitted.kendall_tau_cv:.3f} (90% interval {low:.3f} to {high:.3f})"
    )
    if fitted.failed:
        say(f"{fitted.failed} trainings have no value: {failed_as}")
    for item in fitted.set_aside:
        say(f"{records.label(item.index)} set aside: {item.reason}")
    say(fitted.certainty)


@dataclass(frozen=True, slots=True)
class _Fit:
    """What was asked for. items: the observations as they were given."""

    items: list[Any]
    name: str
    property: str
    options: Fitting
    replace: bool


def _here(request: _Fit, progress: ReportProgress) -> FittedPredictor:
    from service.cli.models import checked_name
    from service.cli.reading import read_document
    from service.contract.search import BUILT_IN
    from service.predictors.rankers.fitting import fit as run
    from service.predictors.rankers.fitting import keep
    from service.settings import get_settings

    settings = get_settings()
    checked_name(request.name, replace=request.replace)
    if request.name in BUILT_IN:
        raise typer.BadParameter(f"{request.name!r} is the name of what is built in", param_hint="--name")
    predictor, score = run(
        request.items, request.name, request.property, request.options,
        read=read_document, report=progress, default_ghn=settings.default_model,
    )  # fmt: skip
    return keep(predictor, score, settings.home / "models", replace=request.replace)


def _there(request: _Fit, progress: ReportProgress, url: str, api_key: str | None) -> FittedPredictor:
    from service.client import Client
    from service.contract.reading import written
    from service.predictors.rankers.observations import read_observation

    seen = [read_observation(item, index) for index, item in enumerate(request.items)]
    with Client(url, api_key=api_key, timeout=None) as client:
        return client.fit_predictor(
            [(observation.document, observation.value) for observation in seen],
            name=request.name,
            property=request.property,
            **written(request.options),
            replace=request.replace,
            progress=steps(progress),
        )
