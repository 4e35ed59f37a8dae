"""weightcast architectures: networks that nobody has trained."""

from __future__ import annotations

import json as json_module
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

SplitName = Annotated[
    str, typer.Option(help="train, id-val, id-test, wide, deep, dense, bn-free or predefined.")
]


def architectures(
    split: SplitName,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many.")] = 10,
    seed: Annotated[int, typer.Option(help="Same split, seed and number: same networks, anywhere.")] = 0,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE.jsonl", help="[default: standard output]")
    ] = None,
) -> None:
    """Make random networks of the DeepNets-1M space.

    One JSON document a line, each an architecture that `predict` reads. `predefined` has two that are not
    random, ResNet-50 and a small ViT.
    """
    from training.deepnets import architecture_name
    from training.deepnets import architectures as documents

    with nullcontext(sys.stdout) if out is None else open(out, "w", encoding="utf-8") as file:
        for index, document in enumerate(documents(split, seed, count)):
            document = {**document, "name": architecture_name(split, seed, index)}
            file.write(json_module.dumps(document, separators=(",", ":")) + "\n")
