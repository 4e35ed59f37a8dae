"""DeepNets-1M as a generator: random architectures of the GHN-2 paper's space, split by split.

An architecture is fully determined by (split, seed, index): nothing is stored, and any part of the million
can be made anywhere. It is a document of format "darts" (`service/graph_io/cells/darts.py`); only ResNet-50
of the split `predefined` is one of format "graph". Rules: section 3, table 1 and appendix A of the paper.

Frequencies that the paper leaves open (how often a cell has one, two or more steps, how often reduction cells
are made of pooling only) follow its published training set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from service.errors import InvalidArchitecture, InvalidRequest, LimitExceeded
from service.executor.cost import network_cost
from service.graph_io.archgraph import ArchGraph
from service.graph_io.cells.darts import read_darts
from service.graph_io.json_writer import graph_document
from training.data.predefined import NAMES, resnet50_graph, vit_document

Document = dict[str, Any]

# Of the map from (split, seed, index) to architectures: scores measured under another one do not compare.
VERSION = 1

# Operation -> how often a normal cell draws it.
_NORMAL = {
    "conv_1x1": 8, "sep_conv_5x5": 8, "dil_conv_5x5": 8, "sep_conv_3x3": 8, "dil_conv_3x3": 8,
    "max_pool_3x3": 8, "msa": 7, "conv_7x1_1x7": 7, "skip_connect": 7, "avg_pool_3x3": 7, "cse": 7,
    "conv_3x3": 6, "conv_5x5": 5, "conv_7x7": 4, "none": 4,
}  # fmt: skip
# Half of the reduction cells only pool, skip or drop; the others draw like normal cells.
_POOLING = {"max_pool_3x3": 7, "avg_pool_3x3": 7, "skip_connect": 6, "none": 4}


@dataclass(frozen=True, slots=True)
class Split:
    """cells: range of depths. channels: range of initial widths, in steps of 16.

    steps: number of summing nodes in a cell -> how often.
    least_parameters: the width is raised until the network has so many (CIFAR-10).
    most_parameters: the width is lowered until the network has not more.
    bn_free: share of networks without batch normalisation.
    """

    cells: tuple[int, int]
    channels: tuple[int, int]
    steps: dict[int, int]
    least_parameters: float
    most_parameters: float
    bn_free: float


_FEW = {1: 44, 2: 40, 3: 8, 4: 8}
_MANY = {3: 1, 4: 1, 5: 1, 6: 1, 7: 1, 8: 1}

SPLITS: dict[str, Split] = {
    "train": Split((4, 18), (16, 128), _FEW, 0, 3.1e6, 0.04),
    "id-val": Split((4, 18), (32, 128), _FEW, 2.5e6, 35e6, 0.04),
    "id-test": Split((4, 18), (32, 128), _FEW, 2.5e6, 35e6, 0.04),
    "wide": Split((4, 18), (128, 1216), _FEW, 39e6, 101e6, 0.04),
    "deep": Split((10, 36), (32, 208), _FEW, 2.5e6, 15.3e6, 0.02),
    "dense": Split((4, 18), (32, 240), _MANY, 2.5e6, 8.8e6, 0.05),
    "bn-free": Split((4, 18), (32, 336), _FEW, 2.5e6, 7.7e6, 1.0),
}
PREDEFINED = "predefined"
# The networks of id-test, one for one, as wide as those of `wide`: what width alone does to a GHN.
WIDENED = "id-test-wide"
SPLIT_NAMES = (*SPLITS, WIDENED, PREDEFINED)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a training run can afford.

    cost: `network_cost` at image_size; None: no bound but the split's own.
    """

    cost: float | None = None
    image_size: int = 32
    most_channels: int = 128
    most_parameters: float = 3.1e6


def architecture(
    split: str, seed: int, index: int, *, num_classes: int = 10, bounds: Bounds | None = None
) -> Document:
    """The architecture number `index` of a split, the same on every machine.

    Raises InvalidRequest for an unknown split, or an index that `predefined` does not have.
    """
    if split == PREDEFINED and _predefined(index) == "resnet-50":
        return graph_document(resnet50_graph(num_classes))
    if split == PREDEFINED:
        return vit_document(num_classes)
    if split == WIDENED:
        return _widened(seed, index, num_classes)[0]
    return _sample(split, seed, index, num_classes, bounds)[0]


def architecture_graph(
    split: str, seed: int, index: int, *, num_classes: int = 10, bounds: Bounds | None = None
) -> ArchGraph:
    """Its graph."""
    if split == PREDEFINED and _predefined(index) == "resnet-50":
        return resnet50_graph(num_classes)
    if split == PREDEFINED:
        return read_darts(vit_document(num_classes))
    if split == WIDENED:
        return _widened(seed, index, num_classes)[1]
    return _sample(split, seed, index, num_classes, bounds)[1]


def architectures(split: str, seed: int, count: int, *, num_classes: int = 10) -> Iterator[Document]:
    """The first ones of a split, `count` or as many as it has."""
    for index in range(available(split, count)):
        yield architecture(split, seed, index, num_classes=num_classes)


def available(split: str, count: int) -> int:
    """How many of `count` architectures there are: all but of `predefined`, which has two."""
    return min(count, len(NAMES)) if split == PREDEFINED else count


def architecture_name(split: str, seed: int, index: int) -> str:
    return _predefined(index) if split == PREDEFINED else f"{split}-{seed}-{index}"


def _predefined(index: int) -> str:
    if not 0 <= index < len(NAMES):
        raise InvalidRequest(
            f"There is no predefined architecture {index}.", field="/index", hint=f"There are {len(NAMES)}."
        )
    return NAMES[index]


def _sample(
    split: str, seed: int, index: int, num_classes: int, bounds: Bounds | None
) -> tuple[Document, ArchGraph]:
    rules = SPLITS.get(split)
    if rules is None:
        raise InvalidRequest(
            f"Unknown split {split!r}.", field="/split", hint=f"Splits: {', '.join(SPLIT_NAMES)}."
        )
    # Seeded by a string: the same numbers in every process, and no two splits share any.
    random = Random(f"weightcast/{split}/{seed}/{index}")
    while True:
        document = _draw(random, rules, num_classes)
        fitted = _fit_width(random, document, rules, bounds)
        if fitted is not None:
            return fitted


def _widened(seed: int, index: int, num_classes: int) -> tuple[Document, ArchGraph]:
    """A network of id-test at the least width that gives it the parameters of `wide`; at the greatest that is
    not too large, if there is none.
    """
    rules = SPLITS["wide"]
    document, graph = _sample("id-test", seed, index, num_classes, None)
    for channels in range(document["channels"] + 16, rules.channels[1] + 1, 16):
        wider = {**document, "channels": channels}
        try:
            candidate = read_darts(wider)
        except LimitExceeded:
            break
        if candidate.num_parameters > rules.most_parameters:
            break
        document, graph = wider, candidate
        if graph.num_parameters >= rules.least_parameters:
            break
    return document, graph


def _draw(random: Random, rules: Split, num_classes: int) -> Document:
    steps = _weighted(random, rules.steps)
    bn_free = random.random() < rules.bn_free
    normal = _cell(random, steps, _NORMAL)
    reduce = _cell(random, steps, _POOLING if random.random() < 0.5 else _NORMAL)
    concat = _concat(random, steps, normal, reduce)
    has_attention = any(operation == "msa" for operation, _ in (*normal, *reduce))
    stem = random.choice(("plain", "strided"))
    multiplier = 2 if random.random() < 0.36 else 1
    # Only cells of constant width can do without preprocessing layers.
    plain = has_attention and len(concat) == 1 and multiplier == 1 and not bn_free
    # Without normalisation, training networks are shallow: deep ones hardly ever give a finite loss.
    deepest = 5 if bn_free and rules.bn_free < 1 and rules.cells[0] <= 5 else rules.cells[1]
    return {
        "format": "darts",
        "genotype": {"normal": normal, "normal_concat": concat, "reduce": reduce, "reduce_concat": concat},
        "channels": 0,
        "cells": random.randint(rules.cells[0], deepest),
        "num_classes": num_classes,
        "input": "cifar",
        "stem": stem,
        "stem_kernel": random.choice((3, 5, 7)),
        "stem_pool": stem == "plain" and random.random() < 0.55,
        "norm": "none" if bn_free else "batch",
        "preprocess": not (plain and random.random() < 0.5),
        "channel_multiplier": multiplier,
        "global_pool": random.random() >= 0.015,
        "fc_layers": random.choice((1, 2)),
        "fc_dim": random.choice((64, 128, 192, 256)),
    }


def _cell(random: Random, steps: int, operations: dict[str, int]) -> list[list[Any]]:
    pairs: list[list[Any]] = []
    for step in range(steps):
        for state in random.sample(range(step + 2), 2):
            pairs.append([_weighted(random, operations), state])
    return pairs


def _concat(random: Random, steps: int, *cells: list[list[Any]]) -> list[int]:
    """All states, or only those that no step of either cell reads."""
    states = list(range(2, steps + 2))
    if steps == 1 or random.random() < 0.75:
        return states
    read = {state for cell in cells for _, state in cell}
    return [state for state in states if state not in read]


def _weighted(random: Random, weights: dict[Any, int]) -> Any:
    return random.choices(list(weights), list(weights.values()))[0]


def _fit_width(
    random: Random, document: Document, rules: Split, bounds: Bounds | None
) -> tuple[Document, ArchGraph] | None:
    """Choose the number of channels; None if no width fits, or if the network is disconnected."""
    least, most = rules.channels
    if bounds is not None:
        most = min(most, bounds.most_channels)
    widths = list(range(least, most + 1, 16))
    try:
        if rules.least_parameters:
            return _narrowest(document, widths, rules)
        # The paper's training networks start from any width and shrink until they are affordable.
        start = random.randrange(len(widths))
        return _widest(document, widths[: start + 1], rules, bounds)
    except (InvalidArchitecture, LimitExceeded):
        return None


def _narrowest(document: Document, widths: list[int], rules: Split) -> tuple[Document, ArchGraph] | None:
    """The first width with enough parameters; None if they are too many then."""
    for channels in widths:
        document = {**document, "channels": channels}
        graph = read_darts(document)
        if graph.num_parameters >= rules.least_parameters:
            return (document, graph) if graph.num_parameters <= rules.most_parameters else None
    return None


def _widest(
    document: Document, widths: list[int], rules: Split, bounds: Bounds | None
) -> tuple[Document, ArchGraph] | None:
    """The last width that is affordable. What a width costs grows with it, so half of them are ruled out at
    a time; most networks that a tight bound refuses are refused at the narrowest.
    """
    widest = None
    low, high = 0, len(widths)
    middle = 0
    while low < high:
        candidate = {**document, "channels": widths[middle]}
        graph = read_darts(candidate)
        if _affordable(graph, rules, bounds):
            widest, low = (candidate, graph), middle + 1
        else:
            high = middle
        middle = (low + high) // 2
    return widest


def _affordable(graph: ArchGraph, rules: Split, bounds: Bounds | None) -> bool:
    if graph.num_parameters > rules.most_parameters:
        return False
    if bounds is None:
        return True
    if graph.num_parameters > bounds.most_parameters:
        return False
    return bounds.cost is None or network_cost(graph, bounds.image_size) <= bounds.cost
