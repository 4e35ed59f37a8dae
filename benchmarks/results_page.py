"""docs/results.md from what the benchmarks left in their folders: nothing on that page is written by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import ablations, deepnets
from benchmarks.paired_differences import paired_table, pairs
from training.evaluate.measurements import RANDOM, Evaluation, Results

_COLUMNS = ("id-test", "wide", "deep", "dense", "bn-free", "predefined")

# Table 3: mean ± standard error and maximum on ID-TEST, the OOD splits, ResNet-50 / ViT.
PAPER = {
    "MLP": ("42.2 ± 0.6", "60.2", "22.3 ± 0.9", "37.9 ± 1.2", "44.8 ± 1.1", "23.9 ± 0.7", "17.7 / 10.0"),
    "GHN-1": ("51.4 ± 0.4", "59.9", "43.1 ± 1.7", "48.3 ± 0.8", "51.8 ± 0.9", "13.7 ± 0.3", "19.2 / 18.2"),
    "GHN-2": ("66.9 ± 0.3", "77.1", "64.0 ± 1.1", "60.5 ± 1.2", "65.8 ± 0.7", "36.8 ± 1.5", "58.6 / 11.4"),
    "GHN-2, recalibrated": ("71.7", "", "", "", "", "", ""),
    "SGD, 1 epoch": ("46.1 ± 0.4", "66.5", "47.2 ± 1.1", "34.2 ± 1.1", "45.3 ± 0.7", "18.0 ± 1.1",
                     "61.8 / 34.5"),
    "SGD, 5 epochs": ("69.2 ± 0.4", "82.4", "71.2 ± 0.3", "56.7 ± 1.6", "67.8 ± 0.9", "29.0 ± 2.0",
                      "78.2 / 52.5"),
}  # fmt: skip

_INTRODUCTION = """# Results

`python -m benchmarks.evaluation --write docs/results.md` made this page from measurements. The list below the
table has the numbers of networks, images and calibration batches of each row (`-n`, `--limit-images`,
`--calibration-batches`). For comparison, there are figures of the GHN-2 paper (Knyazev et al. 2021). Its GHNs
were trained on GPUs for 300 epochs with meta-batches of 8, and measured with all 10,000 test images on 500
networks of ID-TEST and 100 of every other split.

## Unseen networks with predicted weights

The table has accuracies in percent on test images, as mean ± standard error over the networks. Networks are
not trained, except in the SGD rows. The standard error covers the choice of networks. The choice of K test
images adds an error of at most 50/√K points (2.2 with 512), which is common to all means of a row. ResNet-50
and the ViT are single networks.
"""


def page(results: Results, folder: Path, ablation_folder: Path) -> str:
    parts = [_INTRODUCTION, _accuracies(results, folder), _conditions(results, folder)]
    current = {entry for row in _rows(results, folder).values() for entry in row.values()}
    if paired := pairs(results, current):
        parts += [_PAIRED, paired_table(paired)]
    statistics = folder / "deepnets.json"
    if statistics.exists():
        parts += [_DEEPNETS, deepnets.tables(json.loads(statistics.read_text())) + "\n"]
    runs = ablations.by_budget(ablation_folder)
    if runs:
        parts.append(_ABLATIONS)
    for seeds in runs.values():
        parts.append(_ablation_conditions([next(iter(results.values())) for results in seeds]))
        parts.append(ablations.table(seeds) + "\n")
    return "\n".join(parts)


def _accuracies(results: Results, folder: Path) -> str:
    lines = [
        "| | ID-TEST | best | WIDE | DEEP | DENSE | BN-FREE | ResNet-50 / ViT |",
        "| --- |" + " ---: |" * 7,
    ]
    for title, by_split in _rows(results, folder).items():
        cells = []
        for split in _COLUMNS:
            evaluation = by_split.get(split)
            scores = None if evaluation is None else results.scores(evaluation)
            if scores is None or not scores.accuracies:
                cells += ["", ""] if split == "id-test" else [""]
            elif split == "predefined":
                cells.append(" / ".join(f"{value:.1f}" for value in scores.accuracies))
            else:
                cells.append(f"{scores:.1f}")
                cells += [f"{scores.max:.1f}"] if split == "id-test" else []
        lines.append("| " + " | ".join([title, *cells]) + " |")
    lines += [f"| *paper:* {title} | " + " | ".join(cells) + " |" for title, cells in PAPER.items()]
    return "\n".join(lines) + "\n"


def _rows(results: Results, folder: Path) -> dict[str, dict[str, Evaluation]]:
    """By what stands at the left: for every split the evaluation with the most networks and images.

    Of a model that has changed only what was measured last counts, by the times of the files.
    """
    written = {entry: entry.file(folder).stat().st_mtime for entry in results.by_evaluation}
    newest: dict[str, Evaluation] = {}
    for entry in sorted(written, key=lambda entry: written[entry]):
        newest[entry.method] = entry
    current = [entry for entry in written if entry.digest == newest[entry.method].digest]
    rows: dict[str, dict[str, Evaluation]] = {}
    for entry in sorted(current, key=lambda entry: (entry.method == RANDOM, entry.epochs, entry.method)):
        row = rows.setdefault(_title(entry), {})
        other = row.get(entry.split)
        if other is None or _size(results, entry) > _size(results, other):
            row[entry.split] = entry
    return rows


def _size(results: Results, evaluation: Evaluation) -> tuple[int, float]:
    return len(results.by_evaluation[evaluation]), evaluation.images or float("inf")


def _title(evaluation: Evaluation) -> str:
    if evaluation.epochs:
        return f"SGD, {evaluation.epochs} epoch{'s' if evaluation.epochs > 1 else ''}"
    recalibrated = evaluation.bn == "recalibrate"
    return evaluation.method + (", recalibrated" if recalibrated else "")


def _conditions(results: Results, folder: Path) -> str:
    """Under which conditions every row was measured."""
    lines = ["How the rows were measured:", ""]
    for title, by_split in _rows(results, folder).items():
        evaluations = [by_split[split] for split in _COLUMNS if split in by_split]
        counts = ", ".join(f"{len(results.by_evaluation[entry])} of {entry.split}" for entry in evaluations)
        first = evaluations[0]
        facts = [f"networks: {counts}", f"{first.data}, {_several(evaluations, 'images')} test images"]
        if any(entry.image_size != 32 for entry in evaluations):
            facts.append(f"images of {_several(evaluations, 'image_size')} pixels a side")
        facts.append(f"activations in {_several(evaluations, 'dtype')}")
        if first.calibration_batches:
            images = 64 * first.calibration_batches
            facts.append(f"statistics of {images:,} training images (the paper's: 12,800)")
        else:
            facts.append("statistics of test batches of 64")
        if first.digest:
            facts.append(f"model {first.digest[:12]}")
        facts.append(_provenance(evaluations, folder))
        lines.append(f"- {title}: " + "; ".join(facts) + ".")
    return "\n".join(lines) + "\n"


def _several(evaluations: Sequence[Evaluation], name: str) -> str:
    values = sorted({getattr(entry, name) for entry in evaluations})
    return " or ".join("all" if name == "images" and value == 0 else str(value) for value in values)


def _provenance(evaluations: Sequence[Evaluation], folder: Path) -> str:
    commits, days = set(), set()
    for evaluation in evaluations:
        for line in evaluation.file(folder).read_text().splitlines()[1:]:
            entry = json.loads(line)
            commits.add(entry.get("commit", ""))
            days.add(entry.get("day", ""))
    return f"{' to '.join(sorted({min(days), max(days)}))}, commit {', '.join(sorted(commits))}"


_PAIRED = """## Paired differences

Two measurements of the same networks are subtracted network by network; the table has mean ± standard error
in points. The difficulty of a network and of the images cancels out, so small differences are visible. A row
of `id-test-wide` compares each network of ID-TEST with itself at the width of WIDE.
"""

_DEEPNETS = """## The architectures

`python -m benchmarks.deepnets` compares the networks of our generator (seed 0) with table 1 of the paper. The
generator follows the paper's text, but its networks are not the published ones
([deviations](papers.md#deviations)). Our rows have mean ± standard deviation (minimum–maximum). The paper has
ranges of sizes, and mean ± deviation of degree and path length.
"""

_ABLATIONS = """## Ablations

`python -m benchmarks.ablations` trains the variants of GHN-2 in table 5 of the paper on a small budget. All
variants have the same data, networks, images, learning rate and seed, and none was tuned. The table shows the
effect of each part early in training on small images. It does not show the effect after long training: the
paper's figures come from hundreds of times as many steps on larger images. Differences to GHN-2 are computed
on the same networks. With several seeds, the standard errors are those of the mean over seeds; with one seed
they cover the choice of networks alone. Differences below two or three standard errors are not significant.
The paper has T = 5 only with one network per step (table 8: 54.4, and 54.3 with T = 1), so that row has no
figure of the paper.
"""


def _ablation_conditions(seeds: list[dict[str, Any]]) -> str:
    """seeds: a result of each, of one budget."""
    result = seeds[0]
    counts = ", ".join(f"{len(values)} of {split}" for split, values in result["accuracies"].items())
    networks = len(result["accuracies"].get("id-test", ()))
    numbers = " ".join(str(of_seed["seed"]) for of_seed in seeds)
    sizes = result.get("sizes") or {}
    options = "".join(f" --{name} {size}" for name, size in sizes.items())
    return (
        f"`--data {result['data']} --steps {result['steps']} --meta-batch {result['meta_batch']} "
        f"--images {result['images_a_network']}{options} --networks {networks} --seeds {numbers}`: "
        f"{result['data']} at {result['image_size']}x{result['image_size']}, {result['steps']} steps of "
        f"{result['meta_batch']} networks on {result['images_a_network']} images each (networks up to cost "
        f"{result['cost']:g}{''.join(f', {size} {name}' for name, size in sizes.items())}), learning rate "
        f"{result['learning_rate']:g}, {'seeds' if len(seeds) > 1 else 'seed'} {numbers}, one thread; "
        f"measured on {counts}, {result['test_images']} test images, {result['dtype']}. Seconds are from "
        "a machine that was busy with other work.\n"
    )
