"""Large inputs, each in a process of its own: seconds of the processor, and the memory that it added."""

from __future__ import annotations

import gc
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.performance.large_inputs import deep_graph, large_onnx, wide_graph
from benchmarks.performance.tables import bytes_text, table

_NODES = (1_250, 2_500, 5_000, 10_000)
_MODEL = "ghn2-cifar10"


def report() -> str:
    rows = [_alone(graph_of, nodes) for nodes in _NODES]
    times = ("read ms", "encode ms", "GNN ms", "decode ms")
    columns = ("operators", *times, "memory before decoding", "with the blocks")
    graphs = table(columns, rows)
    large = [*_alone(many_parameters), *_alone(large_file)]
    return f"{graphs}\n\n{table(('input', 'step', 'seconds', 'memory'), large)}"


def graph_of(nodes: int) -> list[str]:
    from service.ghn.batch import GraphBatch
    from service.ghn.registry import load_model
    from service.graph_io.primitives import to_primitives
    from service.graph_io.read import read_document

    model, document = load_model(_MODEL), deep_graph(nodes)
    model.predict(read_document(deep_graph(100)))
    memory = Memory()
    graph, reading = _timed(lambda: read_document(document))
    batch, encoding = _timed(lambda: GraphBatch.from_graphs([to_primitives(graph)], model.ghn.config))
    states, passing = _timed(lambda: model.ghn.embed(batch))
    graph_memory = memory.added()
    _, decoding = _timed(lambda: list(model.ghn.decode(states, batch)))
    times = [f"{1e3 * seconds:.0f}" for seconds in (reading, encoding, passing, decoding)]
    return [f"{len(graph.nodes):,}", *times, graph_memory, memory.added()]


def many_parameters() -> list[list[str]]:
    from service.ghn.registry import load_model
    from service.graph_io.read import read_document
    from service.weights.formats import write_weights

    model, document = load_model(_MODEL), wide_graph()
    model.predict(read_document(deep_graph(100)))
    memory = Memory()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights"
        graph, reading = _timed(lambda: read_document(document))
        weights, predicting = _timed(lambda: model.predict(graph))
        name = f"{graph.num_parameters / 1e6:.0f} M parameters"
        tiles, writing = _timed(lambda: write_weights(path, weights, output="tiles"))
        rows = [
            [name, f"read, predict, write {bytes_text(tiles.size_bytes)} of tiles",
             f"{reading + predicting + writing:.2f}", memory.added()]
        ]  # fmt: skip
        full, writing = _timed(lambda: write_weights(path, weights, output="safetensors"))
        return [
            *rows,
            [name, f"write {bytes_text(full.size_bytes)} of safetensors", f"{writing:.2f}", memory.added()],
        ]


def large_file() -> list[list[str]]:
    from service.client._architectures import encode

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.onnx"
        large_onnx(path)
        small = Path(folder) / "small.onnx"
        large_onnx(small, layers=1, width=64)
        encode(small)
        memory = Memory()
        encoded, seconds = _timed(lambda: encode(path))
        sent = bytes_text(len(encoded.document["data"]))
        name = f"ONNX file of {bytes_text(path.stat().st_size)}"
        return [[name, f"read; {sent} are sent", f"{seconds:.2f}", memory.added()]]


class Memory:
    """The largest resident memory of this process above what it was at first."""

    def __init__(self) -> None:
        gc.collect()
        # The kernel forgets the peak of before.
        Path("/proc/self/clear_refs").write_text("5")
        self._before = _peak_bytes()

    def added(self) -> str:
        return bytes_text(max(0, _peak_bytes() - self._before))


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def _timed(action: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    result = action()
    return result, time.process_time() - started


def _alone(work: Callable[..., Any], *arguments: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)
