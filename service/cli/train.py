"""weightcast architectures: the networks that GHNs are trained and tested on."""

from __future__ import annotations

import json as json_module
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer


def architectures(
    split: Annotated[str, typer.Option(help="train, id-val, id-test, wide, deep, dense or bn-free.")],
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many.")] = 10,
    seed: Annotated[
        int, typer.Option(help="Same split, seed and number: same networks, on every machine.")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE.jsonl", help="[default: standard output]")
    ] = None,
) -> None:
    """Make random networks of the DeepNets-1M space.

    One JSON document a line, each an architecture that `predict` and `rank` read.
    """
    from training.deepnets import architecture

    with nullcontext(sys.stdout) if out is None else open(out, "w", encoding="utf-8") as file:
        for index in range(count):
            document = {"name": f"{split}-{seed}-{index}", **architecture(split, seed, index)}
            file.write(json_module.dumps(document, separators=(",", ":")) + "\n")
