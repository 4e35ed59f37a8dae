"""One network, stage by stage: what has to be done, the least that it could take here, and what it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torchvision
from torch import nn

from benchmarks.performance.clock import processor_seconds
from benchmarks.performance.machine import Machine
from benchmarks.performance.tables import bytes_text, table
from benchmarks.performance.work import decoder_multiply_adds, gnn_multiply_adds
from service.ghn.batch import GraphBatch
from service.ghn.registry import LoadedModel
from service.graph_io.primitives import to_primitives
from service.graph_io.topology import depths
from service.graph_io.torch_tracer import trace

NETWORKS = ("resnet50", "densenet121", "mobilenet_v2")


class Stage(NamedTuple):
    """work: in words. floor, seconds: of the processor."""

    name: str
    work: str
    floor: float
    seconds: float


def report(model: LoadedModel, machine: Machine, repeats: int) -> str:
    rows = [
        (name, stage.name, stage.work, f"{1e3 * stage.floor:.2f}", f"{1e3 * stage.seconds:.2f}",
         f"{stage.seconds / stage.floor:.1f}")
        for name in NETWORKS
        for stage in stages(torchvision.models.get_model(name), model, machine, repeats)
    ]  # fmt: skip
    return table(("network", "stage", "work", "floor ms", "measured ms", "times the floor"), rows)


@torch.inference_mode()
def stages(module: nn.Module, model: LoadedModel, machine: Machine, repeats: int) -> list[Stage]:
    """The stages, and the whole way from a module to tiles and to a state dict."""
    *parts, expand = _parts(module, model, machine, repeats)
    whole = sum(part.floor for part in parts)
    tiles = processor_seconds(lambda: model.predict(trace(module)), repeats)
    full = processor_seconds(lambda: model.predict(trace(module)).expand(), repeats)
    return [
        *parts,
        Stage("module to tiles", "the stages above", whole, tiles),
        expand,
        Stage("module to state dict", "all of it", whole + expand.floor, full),
    ]


def _parts(module: nn.Module, model: LoadedModel, machine: Machine, repeats: int) -> Iterator[Stage]:
    ghn, config = model.ghn, model.ghn.config
    graph = trace(module)
    primitives = to_primitives(graph)
    batch = GraphBatch.from_graphs([primitives], config)
    states = ghn.embed(batch)
    weights = model.predict(graph)
    nodes, size = len(primitives), 4 * weights.num_parameters

    def seconds_of(action: Callable[[], object]) -> float:
        return processor_seconds(action, repeats)

    yield Stage(
        "trace",
        f"{len(graph.nodes)} operators; floor: one call into torch for each",
        len(graph.nodes) * machine.tensor_call,
        seconds_of(lambda: trace(module)),
    )
    yield Stage(
        "encode",
        f"{nodes} nodes; floor: one array operation a node",
        nodes * machine.array_call,
        seconds_of(lambda: GraphBatch.from_graphs([to_primitives(graph)], config)),
    )
    levels = 2 * config.rounds * (1 + max(depths(primitives.predecessors)))
    products = gnn_multiply_adds(primitives, config)
    yield Stage(
        "GNN",
        f"{levels} steps, {products / 1e6:.1f} M multiply-adds",
        products / machine.multiply_add,
        seconds_of(lambda: ghn.embed(batch)),
    )
    products = decoder_multiply_adds(primitives, config)
    yield Stage(
        "decode",
        f"{len(primitives.targets)} tensors, {products / 1e6:.0f} M multiply-adds",
        products / machine.multiply_add,
        seconds_of(lambda: list(ghn.decode(states, batch))),
    )
    yield Stage("expand", f"{bytes_text(size)} written", size / machine.fresh, seconds_of(weights.expand))
