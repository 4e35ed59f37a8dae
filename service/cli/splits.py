"""weightcast architectures: networks that nobody has trained."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer

from service.cli import options
from service.cli.console import emit_json
from service.cli.output_file import check_target, json_line, write_json_lines
from service.contract.fields import Document
from service.contract.kinds import image_rankers
from service.contract.search import SPACES
from service.graph_io.fields import closest

SPLITS = ("train", "id-val", "id-test", "id-test-wide", "wide", "deep", "dense", "bn-free", "predefined")
_SPLITS = f"{', '.join(SPLITS[:-1])} or {SPLITS[-1]}"


def _one_of(names: tuple[str, ...], text: str) -> Any:
    """An option that takes one of the names, in a shell that completes them."""

    def check(name: str) -> str:
        if name in names:
            return name
        like = closest(name, names)
        meant = "" if like is None else f" Did you mean {like!r}?"
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(map(repr, names))}.{meant}")

    def begin(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return typer.Option(help=text, autocompletion=begin, callback=check)


# Spaces of which models have a part of their own: that for whose networks they generate weights.
_WITH_MODELS = ", ".join(image_rankers())
SplitName = Annotated[str, _one_of(SPLITS, f"{_SPLITS}.")]
SplitOrSpace = Annotated[
    str, _one_of((*SPLITS, *SPACES), f"{_SPLITS}; or a search space: {', '.join(SPACES)}.")
]


def architectures(
    split: SplitOrSpace,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Number of networks.")] = 10,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal networks, on every machine.")] = 0,
    model: Annotated[
        str | None, typer.Option(help=f"With --split {_WITH_MODELS}: draw from the space of this model.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE.jsonl", help="Where to write. [default: standard output]"),
    ] = None,
    json: options.Json = False,
) -> None:
    """Draw random networks from a split of DeepNets-1M, or from a search space.

    Prints one JSON document per line; `predict`, `rank` and the other commands read them. The split
    `predefined` has two fixed networks, ResNet-50 and a small ViT. With --json, one document holds all.
    """
    if model is not None and split not in image_rankers():
        raise typer.BadParameter(f"belongs to --split {_WITH_MODELS}", param_hint="--model")
    if out is not None:
        check_target(out, "architectures", ".jsonl")
    networks = _of_space(split, seed, count, model) if split in SPACES else _named(split, seed, count)
    if json:
        made = list(networks)
        if out is not None:
            _write(out, made)
        file = None if out is None else str(out)
        emit_json({"split": split, "seed": seed, "n": len(made), "architectures": made, "file": file})
        return
    _write(out, networks)


def _named(split: str, seed: int, count: int) -> Iterator[Document]:
    from training.data.deepnets import architecture_name, architectures

    for index, document in enumerate(architectures(split, seed, count)):
        yield {**document, "name": architecture_name(split, seed, index)}


def _of_space(name: str, seed: int, count: int, model: str | None) -> Iterator[Document]:
    from service.search.space import find_space

    space, random = find_space(name, model=model), Random(f"weightcast/{name}/{seed}")
    for index in range(count):
        yield {**space.sample(random), "name": f"{name}-{seed}-{index}"}


def _write(out: Path | None, networks: Iterable[Document]) -> None:
    if out is not None:
        write_json_lines(out, networks)
        return
    for document in networks:
        sys.stdout.write(json_line(document))
