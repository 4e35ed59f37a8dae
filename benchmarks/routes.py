"""Which networks have one digest by both routes: traced from the module, and read from its ONNX export.

    python -m benchmarks.routes [NAME ...] [--torchvision] [--timm] [--files FOLDER] [--json FILE]

Each network is traced, and exported as the documentation says (dynamo, nothing folded, batch of one), without
values for its weights. Prints for each: equal, or the first node in execution order at which the two graphs
part, as the one route has it and as the other has it. --files keeps the exported files, without weights, and
reads those that are there, since exporting takes nearly all of the time. Exits with status 1 if a network
could not be read by both routes.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from benchmarks.coverage import build, network_options, networks
from service.graph_io.archgraph import ArchGraph, Node
from service.graph_io.digest import forward_hashes, graph_digest
from service.graph_io.onnx_reader import read_onnx
from service.graph_io.onnx_strip import strip_onnx
from service.graph_io.torch_tracer import trace


@dataclass(frozen=True, slots=True)
class Row:
    """outcome: equal, different or failed. traced, read: the first nodes that differ, or why it failed.
    unmatched: how many nodes of either graph the other one does not have.
    """

    network: str
    outcome: str
    traced: str = ""
    read: str = ""
    unmatched: tuple[int, int] = (0, 0)


class _Uninitialised(TorchFunctionMode):
    """Inside the block, parameters keep whatever memory they have: initialising it takes time and memory."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        written = (kwargs or {}).get("tensor", args[0] if args else None)
        name = getattr(func, "__name__", "")
        if isinstance(written, nn.Parameter) and name.endswith("_") and not name.startswith("__"):
            return written
        return func(*args, **(kwargs or {}))


def measure(name: str, folder: Path) -> Row:
    """name: "torchvision:NAME" or "timm:NAME"; folder: of exported files."""
    with _Uninitialised():
        model = build(name).eval()
    traced = trace(model)
    path = folder / f"{name.replace(':', '-')}.onnx"
    if not path.exists():
        path.write_bytes(exported(model, traced.input_shape))
    read = read_onnx(path.read_bytes())
    if graph_digest(traced) == graph_digest(read):
        return Row(name, "equal")
    return Row(name, "different", *first_difference(traced, read), unmatched(traced, read))


def exported(model: nn.Module, input_shape: tuple[int, ...]) -> bytes:
    """The network as ONNX, without weights."""
    image = torch.zeros(1, *input_shape)
    with _quiet():
        program = torch.onnx.export(model, (image,), dynamo=True, optimize=False, verbose=False)
    assert program is not None
    # Weights of more than 2 GB fit no file; their values say nothing here.
    large = {
        name: (value.const_value, dict(value.metadata_props))
        for name, value in program.model.graph.initializers.items()
        if value.const_value is not None and value.const_value.size > 65536
    }
    for name in large:
        program.model.graph.initializers.pop(name)
    model_proto = program.model_proto
    for name, (stored, metadata) in large.items():
        tensor = model_proto.graph.initializer.add(
            name=name, data_type=int(stored.dtype), dims=stored.shape.numpy()
        )
        # Whether it is a parameter or a buffer.
        for key, text in metadata.items():
            tensor.metadata_props.add(key=key, value=text)
    return strip_onnx(model_proto)


@contextmanager
def _quiet() -> Iterator[None]:
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def first_difference(one: ArchGraph, other: ArchGraph) -> tuple[str, str]:
    """The first node of each graph that the other one does not have, but whose inputs it does have; the
    words "no further node" where there is none.
    """
    if one.input_shape != other.input_shape:
        return f"input {one.input_shape}", f"input {other.input_shape}"
    hashes = forward_hashes(one), forward_hashes(other)
    common = set(hashes[0].values()) & set(hashes[1].values())
    parts = [
        [node for node in graph.nodes if own[node.name] not in common and _known(node, own, common)]
        for graph, own in zip((one, other), hashes, strict=True)
    ]
    if not parts[0] or not parts[1]:
        return tuple(_described(nodes[0]) if nodes else "no further node" for nodes in parts)  # type: ignore[return-value]
    first = parts[0][0]
    sources = [hashes[0][name] for name in first.inputs]
    beside = [node for node in parts[1] if [hashes[1][name] for name in node.inputs] == sources]
    return _described(first), _described((beside or parts[1])[0])


def _known(node: Node, hashes: dict[str, bytes], common: set[bytes]) -> bool:
    return all(hashes[name] in common for name in node.inputs)


def _described(node: Node) -> str:
    parameters = [
        (parameter.name, parameter.shape, parameter.role, parameter.axes, parameter.trainable)
        for parameter in node.params
    ]
    attributes = ", ".join(f"{key}={value!r}" for key, value in sorted(node.attrs.items()))
    return f"{node.op}({attributes}) {parameters or ''} reads {', '.join(node.inputs)}"


def unmatched(one: ArchGraph, other: ArchGraph) -> tuple[int, int]:
    """How many nodes of each graph the other one does not have."""
    counts = [Counter(forward_hashes(graph).values()) for graph in (one, other)]
    return (counts[0] - counts[1]).total(), (counts[1] - counts[0]).total()


def main(argv: list[str] | None = None) -> int:
    parser = network_options(__doc__)
    parser.add_argument("--files", type=Path, metavar="FOLDER", help="keep the exported files here")
    options = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.files or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in networks(options):
            try:
                row = measure(name, folder)
            except Exception as failure:  # a sweep goes on and counts what failed
                reason = " ".join(str(failure).split())[:200]
                row = Row(name, "failed", f"{type(failure).__name__}: {reason}")
            rows.append(row)
            print(f"{row.outcome:9} {row.network}", flush=True)
            if row.outcome != "equal":
                print(
                    f"          traced {row.traced}\n          read   {row.read}  {row.unmatched}", flush=True
                )
    print(f"{len(rows)} networks: {dict(Counter(row.outcome for row in rows))}")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2))
    return 1 if any(row.outcome == "failed" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
