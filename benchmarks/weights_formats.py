"""How fast an answer is expanded and written, against copying the same bytes in memory.

    python -m benchmarks.weights_formats [--model resnet50] [--json FILE]

Blocks are random numbers of the shapes that a GHN with 64 x 64 channels gives for the network.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision

from service.weights.blocks import Block, Provenance, WeightBlocks
from service.weights.formats import read_tiles, write_weights

REPEATS = 9
GHN_CHANNELS = 64


def blocks_of(name: str) -> WeightBlocks:
    with torch.device("meta"):
        model = torchvision.models.get_model(name)
    rng = np.random.default_rng(0)
    blocks: dict[str, Block] = {}
    for parameter_name, parameter in model.named_parameters():
        shape = tuple(parameter.shape)
        have = tuple(min(size, GHN_CHANNELS) if axis < 2 else size for axis, size in enumerate(shape))
        provenance = Provenance.PREDICTED if have == shape else Provenance.TILED
        blocks[parameter_name] = Block(
            rng.standard_normal(have).astype(np.float32), shape, 0.5, None, provenance
        )
    return WeightBlocks(blocks, "random", "0" * 64)


def milliseconds(work: Callable[[], Any]) -> float:
    """Median of several runs, the first one not counted."""
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        result = work()
        times.append((time.perf_counter() - start) * 1e3)
        del result
    return statistics.median(times[1:])


def written(weights: WeightBlocks, output: str) -> bytes:
    file = io.BytesIO()
    write_weights(file, weights, output=output, dtype="float32")
    return file.getvalue()


def measure(name: str) -> dict[str, Any]:
    weights = blocks_of(name)
    plain = np.ones(weights.num_parameters, dtype=np.float32)
    tiles = written(weights, "tiles")
    sizes = {output: len(written(weights, output)) for output in ("safetensors", "tiles", "npz")}
    times = {
        "copy of as many bytes": milliseconds(plain.copy),
        "expand all tensors": milliseconds(weights.expand),
        "expand one by one": milliseconds(
            lambda: sum(block.expand().nbytes for block in weights.blocks.values())
        ),
        "read tiles": milliseconds(lambda: read_tiles(tiles)),
        "read tiles and expand": milliseconds(lambda: read_tiles(tiles).expand()),
        **{
            f"write {output} (with sha256)": milliseconds(partial(written, weights, output))
            for output in sizes
        },
    }
    return {"model": name, "num_parameters": weights.num_parameters, "bytes": sizes, "milliseconds": times}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="resnet50", help="a torchvision model")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    arguments = parser.parse_args()
    rows = measure(arguments.model)
    print(f"{rows['model']}: {rows['num_parameters']:,} parameters")
    for what, size in rows["bytes"].items():
        print(f"  {what:32} {size / 1e6:8.2f} MB")
    for what, taken in rows["milliseconds"].items():
        print(f"  {what:32} {taken:8.1f} ms")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
