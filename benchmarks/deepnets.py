"""The architectures that the generator makes, next to table 1 of the GHN-2 paper.

    python -m benchmarks.deepnets [-n 500] [--splits NAME ...] [--json FILE]

For every split: nodes, cells, channels, parameters, degree, path length and depth as mean ± standard
deviation and range; the share of networks without batch normalisation; of the train split the share of every
primitive. ResNet-50 and the ViT are listed one by one.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.split_statistics import Summary, graph_statistics, summarise
from training.data.deepnets import PREDEFINED, architecture, architecture_graph, available

# Table 1: ranges; percent without batch normalisation; mean ± deviation of degree and path.
PAPER: dict[str, dict[str, str]] = {
    "train": {"cells": "4–18", "channels": "16–128", "nodes": "21–827", "without": "3.5",
              "parameters": "0.01–3.1", "degree": "2.3 ± 0.1", "path": "14.5 ± 4.8"},
    "id-val": {"cells": "4–18", "channels": "32–128", "nodes": "33–579", "without": "4.1",
               "parameters": "2.5–35", "degree": "2.3 ± 0.1", "path": "14.5 ± 4.9"},
    "id-test": {"cells": "4–18", "channels": "32–128", "nodes": "33–579", "without": "4.1",
                "parameters": "2.5–35", "degree": "2.3 ± 0.1", "path": "14.5 ± 4.9"},
    "wide": {"cells": "4–18", "channels": "128–1216", "nodes": "33–579", "without": "4.1",
             "parameters": "39–101", "degree": "2.3 ± 0.1", "path": "14.7 ± 4.9"},
    "deep": {"cells": "10–36", "channels": "32–208", "nodes": "74–1017", "without": "2.0",
             "parameters": "2.5–15.3", "degree": "2.3 ± 0.1", "path": "26.2 ± 9.3"},
    "dense": {"cells": "4–18", "channels": "32–240", "nodes": "57–993", "without": "5.0",
              "parameters": "2.5–8.8", "degree": "2.4 ± 0.1", "path": "15.1 ± 4.1"},
    "bn-free": {"cells": "4–18", "channels": "32–336", "nodes": "33–503", "without": "100",
                "parameters": "2.5–7.7", "degree": "2.4 ± 0.1", "path": "10.0 ± 2.8"},
    "predefined": {"cells": "16 / 12", "channels": "64 / 128", "nodes": "161 / 114", "without": "0 / 100",
                   "parameters": "23.5 / 1.0", "degree": "2.2 / 2.3", "path": "11.2 / 10.7"},
}  # fmt: skip

# Table 1, percent of the nodes of the training networks.
PAPER_PRIMITIVES = {
    "conv": 36.3, "bn": 25.5, "sum": 11.1, "bias": 6.5, "sep_conv": 5.1, "concat": 3.8, "dil_conv": 2.5,
    "ln": 2.5, "max_pool": 1.8, "avg_pool": 1.7, "msa": 1.2, "cse": 1.0, "input": 0.5, "glob_avg": 0.5,
    "pos_enc": 0.2,
}  # fmt: skip

# Digits and unit of every column.
_FORMS: dict[str, tuple[int, float]] = {
    "nodes": (0, 1), "cells": (0, 1), "channels": (0, 1), "parameters": (1, 1e-6), "degree": (2, 1),
    "path": (1, 1), "depth": (0, 1),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", "--count", type=int, default=500, help="architectures a split")
    parser.add_argument("--splits", nargs="+", choices=PAPER, default=list(PAPER))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the statistics here")
    options = parser.parse_args()
    results = {}
    for split in options.splits:
        results[split] = measure(split, options.seed, options.count)
        sys.stderr.write(f"{split}: {results[split]['count']} architectures\n")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    sys.stdout.write(tables(results) + "\n")


def measure(split: str, seed: int, count: int) -> dict[str, Any]:
    """`SplitStatistics` as a dictionary; for `predefined` also those of each network."""
    rows = []
    for index in range(available(split, count)):
        document = architecture(split, seed, index)
        rows.append(graph_statistics(architecture_graph(split, seed, index), document))
    result = asdict(summarise(rows))
    if split == PREDEFINED:
        result["each"] = [asdict(entry) for entry in rows]
    return result


def tables(results: dict[str, dict[str, Any]]) -> str:
    """Markdown. results: of every split what `measure` returns."""
    lines = [
        "| split | networks | | nodes | cells | channels | M parameters | degree | path | depth | % w/o BN |",
        "| --- | ---: | --- |" + " ---: |" * 8,
    ]
    for split, result in results.items():
        quantities = {name: Summary(**values) for name, values in result["quantities"].items()}
        each = result.get("each")
        cells = [
            _quantity(quantities.get(name), *form) if each is None else _one_by_one(each, name, *form)
            for name, form in _FORMS.items()
        ]
        cells.append(f"{result['without_batch_norm']:.1f}" if each is None else _without(each))
        lines.append(f"| {split} | {result['count']} | ours | " + " | ".join(cells) + " |")
        paper = PAPER[split]
        names = ("nodes", "cells", "channels", "parameters", "degree", "path")
        cells = [*(paper[name] for name in names), "", paper["without"]]
        lines.append("| | | paper | " + " | ".join(cells) + " |")
    if "train" in results:
        shares = results["train"]["primitives"]
        lines += ["", "| % of nodes, train | " + " | ".join(PAPER_PRIMITIVES) + " |"]
        lines.append("| --- |" + " ---: |" * len(PAPER_PRIMITIVES))
        lines.append("| ours | " + " | ".join(f"{shares[name]:.1f}" for name in PAPER_PRIMITIVES) + " |")
        lines.append("| paper | " + " | ".join(f"{share:.1f}" for share in PAPER_PRIMITIVES.values()) + " |")
    return "\n".join(lines)


def _one_by_one(each: list[dict[str, Any]], name: str, digits: int, scale: float = 1.0) -> str:
    values = [entry[name] for entry in each]
    return " / ".join("–" if value is None else f"{scale * value:.{digits}f}" for value in values)


def _without(each: list[dict[str, Any]]) -> str:
    return " / ".join("0" if entry["batch_norm"] else "100" for entry in each)


def _quantity(summary: Summary | None, digits: int, scale: float = 1.0) -> str:
    if summary is None:
        return ""
    mean, deviation, least, most = (
        f"{scale * value:.{digits}f}"
        for value in (summary.mean, summary.deviation, summary.least, summary.most)
    )
    return f"{mean} ± {deviation} ({least}–{most})"


if __name__ == "__main__":
    main()
