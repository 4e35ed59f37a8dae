"""weightcast architectures: networks that nobody has trained."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli import options
from service.cli.console import emit_json

SplitName = Annotated[
    str, typer.Option(help="train, id-val, id-test, id-test-wide, wide, deep, dense, bn-free or predefined.")
]


def architectures(
    split: SplitName,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many.")] = 10,
    seed: Annotated[int, typer.Option(help="Same split, seed and number: same networks, anywhere.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE.jsonl", help="Where to write. [default: standard output]"),
    ] = None,
    json: options.Json = False,
) -> None:
    """Make random networks of the DeepNets-1M space.

    One JSON document a line, each an architecture that `predict` reads. `predefined` has two that are not
    random, ResNet-50 and a small ViT. With --json, one document has them all.
    """
    networks = _named(split, seed, count)
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


def _write(out: Path | None, networks: Iterable[dict[str, Any]]) -> None:
    with nullcontext(sys.stdout) if out is None else open(out, "w", encoding="utf-8") as file:
        for document in networks:
            file.write(json_module.dumps(document, separators=(",", ":")) + "\n")
