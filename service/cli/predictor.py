"""weightcast predictor: predictors from your own results."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli import options
from service.cli.console import ReportProgress, emit_json, progress_bar, say

if TYPE_CHECKING:
    from service.predictors.methods import Features

app = typer.Typer(help="Predictors that rank architectures.", no_args_is_help=True)


class FeatureChoice(StrEnum):
    STRUCTURE = "structure"
    EMBEDDING = "embedding"
    BOTH = "both"


@app.callback()
def _predictors() -> None:
    """Predictors that rank architectures."""


@app.command()
def fit(
    observations: Annotated[
        Path,
        typer.Argument(
            metavar="OBSERVATIONS.jsonl",
            exists=True,
            dir_okay=False,
            allow_dash=True,
            help='A line each: {"architecture": {...}, "value": 93.1}',
        ),
    ],
    name: Annotated[str, typer.Option(help="Name to use it under.")],
    property: Annotated[str, typer.Option(help="What the values are.")] = "accuracy",
    features: Annotated[
        FeatureChoice,
        typer.Option(
            help="What to learn from: counts over the network's structure, the embedding of the network by a "
            "GHN, or both."
        ),
    ] = FeatureChoice.STRUCTURE,
    ghn: Annotated[str, typer.Option(help="The GHN that embeds.")] = "ghn2-cifar10",
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Fit a predictor to architectures that you have trained or measured, and keep it as a model.

    In this process, or by a service, which then keeps it. Compares several methods by cross-validation, keeps
    the best, and tells its Kendall's rank correlation (tau) with a 90% interval. Use it with
    `weightcast rank FILE.jsonl --predictor NAME`.
    """
    from service.cli.json_lines import all_lines
    from service.errors import ServiceError

    if not property or len(property) > 80:
        raise typer.BadParameter("a property is a word of up to 80 characters", param_hint="--property")
    items = []
    for _, item in all_lines(observations):
        if isinstance(item, ServiceError):
            raise item
        items.append(item)
    asked = _Fit(items, name, property, features.value, ghn)
    with progress_bar("fitting") as progress:
        fitted = _here(asked, progress) if url is None else _there(asked, progress, url, api_key)
    if json:
        emit_json(fitted)
        return
    low, high = fitted["interval"]
    say(
        f"{name}: fitted on {fitted['n']} observations of {property} ({fitted['method']}); cross-validated "
        f"Kendall's tau {fitted['kendall_tau_cv']:.3f} (90% interval {low:.3f} to {high:.3f})"
    )
    say(fitted["certainty"])


@dataclass(frozen=True, slots=True)
class _Fit:
    """What was asked for. items: the observations as they were given."""

    items: list[Any]
    name: str
    property: str
    features: Features
    ghn: str


def _here(asked: _Fit, progress: ReportProgress) -> dict[str, Any]:
    from service.cli.models import new_name
    from service.cli.reading import read_document
    from service.predictors.certainty import certainty
    from service.predictors.fitted import FittedPredictor, observe, save_predictor
    from service.predictors.ranking import STRUCTURE
    from service.settings import get_settings

    folder = get_settings().home / "models" / new_name(asked.name)
    if asked.name == STRUCTURE:
        raise typer.BadParameter(f"{STRUCTURE!r} is the name of a built-in predictor", param_hint="--name")
    seen = observe(
        asked.items,
        read=read_document,
        report=lambda done, total: progress(done, total, "reading the architectures"),
        features=asked.features,
        ghn=asked.ghn,
    )
    progress(0, None, "cross-validation")
    predictor = FittedPredictor(asked.name, asked.property, seen)
    score = predictor.cross_validate()
    save_predictor(folder, predictor, score)
    return {
        "name": asked.name,
        "n": len(asked.items),
        "method": predictor.method,
        "kendall_tau_cv": score.tau,
        "interval": [score.low, score.high],
        "certainty": certainty(len(asked.items), score),
    }


def _there(asked: _Fit, progress: ReportProgress, url: str, api_key: str | None) -> dict[str, Any]:
    from service.client import Client
    from service.predictors.fitted import read_observation

    pairs = [read_observation(item, index) for index, item in enumerate(asked.items)]
    with Client(url, api_key=api_key, timeout=None) as client:
        fitted = client.fit_predictor(
            pairs,
            name=asked.name,
            property=asked.property,
            features=asked.features,
            ghn=None if asked.features == "structure" else asked.ghn,
            progress=lambda step: progress(step.done, step.total, step.message),
        )
    kept = ("n", "method", "kendall_tau_cv", "interval", "certainty")
    return {"name": fitted.model, **{field: getattr(fitted, field) for field in kept}}
