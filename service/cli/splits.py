"""weightcast architectures: networks that nobody has trained."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer

from service.cli import options
from service.cli.console import emit_json
from service.search.space import SPACES

_SPLITS = "train, id-val, id-test, id-test-wide, wide, deep, dense, bn-free or predefined"
SplitName = Annotated[str, typer.Option(help=f"{_SPLITS}.")]
SplitOrSpace = Annotated[str, typer.Option(help=f"{_SPLITS}; or a search space: {', '.join(SPACES)}.")]


def architectures(
    split: SplitOrSpace,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many.")] = 10,
    seed: Annotated[int, typer.Option(help="Same split, seed and number: same networks, anywhere.")] = 0,
    model: Annotated[
        str | None, typer.Option(help="Of the space smash: a SMASH model, whose networks are drawn.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE.jsonl", help="Where to write. [default: standard output]"),
    ] = None,
    json: options.Json = False,
) -> None:
    """Make random networks: of the DeepNets-1M space, split by split, or of a search space.

    One JSON document a line, each an architecture that `predict` reads. `predefined` has two that are not
    random, ResNet-50 and a small ViT. With --json, one document has them all.
    """
    if model is not None and split != "smash":
        raise typer.BadParameter("belongs to --split smash", param_hint="--model")
    networks = _of_space(split, seed, count, model) if split in SPACES else _named(split, seed, count)
    if json:
        made = list(networks)
        if out is not None:
            _write(out, made)
        file = None if out is None else str(out)
        emit_json({"split": split, "seed": seed, "n": len(made), "architectures": made, "file": file})
        return
    _write(out, networks)


def _named(split: str, seed: int, count: int) -> Iterator[dict[str, Any]]:
    from training.data.deepnets import architecture_name, architectures

    for index, document in enumerate(architectures(split, seed, count)):
        yield {**document, "name": architecture_name(split, seed, index)}


def _of_space(name: str, seed: int, count: int, model: str | None) -> Iterator[dict[str, Any]]:
    from service.search.space import find_space

    space, random = find_space(name, smash_model=model), Random(f"weightcast/{name}/{seed}")
    for index in range(count):
        yield {**space.sample(random), "name": f"{name}-{seed}-{index}"}


def _write(out: Path | None, networks: Iterable[dict[str, Any]]) -> None:
    with nullcontext(sys.stdout) if out is None else open(out, "w", encoding="utf-8") as file:
        for document in networks:
            file.write(json_module.dumps(document, separators=(",", ":")) + "\n")
