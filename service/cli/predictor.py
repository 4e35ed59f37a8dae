"""weightcast predictor: predictors from your own results."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.cli import options
from service.cli.console import emit_json, progress_bar, say

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
    json: options.Json = False,
) -> None:
    """Fit a predictor to architectures that you have trained or measured, and keep it as a model.

    Compares several methods by cross-validation, keeps the best, and tells its Kendall's rank correlation
    (tau) with a 90% interval. Use it with `weightcast rank FILE.jsonl --predictor NAME`.
    """
    from service.cli.json_lines import all_lines
    from service.cli.models import new_name
    from service.cli.reading import read_document
    from service.errors import ServiceError
    from service.predictors.certainty import certainty
    from service.predictors.fitted import FittedPredictor, observe, save_predictor
    from service.predictors.ranking import STRUCTURE
    from service.settings import get_settings

    folder = get_settings().home / "models" / new_name(name)
    if name == STRUCTURE:
        raise typer.BadParameter(f"{STRUCTURE!r} is the name of a built-in predictor", param_hint="--name")
    if not property or len(property) > 100:
        raise typer.BadParameter("a property is a word of up to 100 characters", param_hint="--property")
    items = []
    for _, item in all_lines(observations):
        if isinstance(item, ServiceError):
            raise item
        items.append(item)
    with progress_bar("fitting") as progress:
        seen = observe(
            items,
            read=read_document,
            report=lambda done, total: progress(done, total, "reading the architectures"),
            features=features.value,
            ghn=ghn,
        )
        progress(0, None, "cross-validation")
        predictor = FittedPredictor(name, property, seen)
        score = predictor.cross_validate()
        save_predictor(folder, predictor, score)
    if json:
        emit_json(
            {
                "name": name,
                "n": len(items),
                "method": predictor.method,
                "kendall_tau_cv": score.tau,
                "interval": [score.low, score.high],
                "certainty": certainty(len(items), score),
            }
        )
    else:
        say(
            f"{name}: fitted on {len(items)} observations of {property} ({predictor.method}); "
            f"cross-validated Kendall's tau "
            f"{score.tau:.3f} (90% interval {score.low:.3f} to {score.high:.3f})"
        )
        say(certainty(len(items), score))
