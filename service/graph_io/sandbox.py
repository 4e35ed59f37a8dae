"""Reads an ONNX file from a stranger, in a child process that can be killed where the file calls for it.

A child costs about a third of a second (a Python start and the import of onnx); reading costs
milliseconds. So a file is read in this process if it is too small to do harm: the number of messages that
it becomes is counted before it is parsed, functions are counted before they are inlined, and every step
after that takes time in proportion to the result. Any other file goes to a child with limits on processor
time and address space that the operating system enforces.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from service import errors
from service.errors import InvalidArchitecture, LimitExceeded, ServiceError
from service.graph_io.archgraph import ArchGraph, AttrValue, Node, Parameter
from service.graph_io.checks import build_graph
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits
from service.graph_io.onnx.load import refuse_obvious
from service.graph_io.onnx.wire import measure
from service.graph_io.onnx_reader import read_onnx

# Structure (bytes outside of large tensors) up to which a file is read in this process: a few hundred layers
# of any exporter.
IN_PROCESS_BYTES = 2 * 2**20
ADDRESS_SPACE_BYTES = 2 * 2**30


def read_onnx_isolated(
    data: bytes, limits: GraphLimits = DEFAULT_LIMITS, timeout_seconds: float = 10
) -> ArchGraph:
    """`read_onnx`, safe against files made to exhaust the reader.

    Raises what `read_onnx` raises, and LimitExceeded where reading takes too much time or memory.
    """
    refuse_obvious(data, limits)
    if measure(data, limits) <= IN_PROCESS_BYTES:
        return read_onnx(data, limits=limits)
    return read_in_child(data, limits, timeout_seconds)


def read_in_child(data: bytes, limits: GraphLimits, timeout_seconds: float) -> ArchGraph:
    """Read in a new process; its answer is checked again here."""
    settings = json.dumps(
        {
            "limits": {name: getattr(limits, name) for name in GraphLimits.__slots__},
            "seconds": timeout_seconds,
        }
    )
    command = [sys.executable, "-m", "service.graph_io.sandbox", settings]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=timeout_seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise LimitExceeded(
            f"Reading the ONNX file took longer than {timeout_seconds:g} seconds.",
            limit=timeout_seconds,
            hint="Simplify the model before sending it.",
        ) from error
    if done.returncode != 0:
        raise LimitExceeded(
            "Reading the ONNX file took more time or memory than allowed.",
            limit=ADDRESS_SPACE_BYTES,
            hint="Simplify the model before sending it.",
        )
    answer = json.loads(done.stdout)
    if "problem" in answer:
        raise _error(answer["problem"])
    return _unpacked(answer["graph"], limits)


def _error(problem: dict[str, Any]) -> ServiceError:
    known = {
        kind.code: kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ServiceError)
    }
    extra = {key: value for key, value in problem.items() if key not in ("type", "title", "status", "detail")}
    kind = known.get(str(problem["type"]).rsplit("/", 1)[-1], InvalidArchitecture)
    return kind(str(problem["detail"]), **extra)


def _packed(graph: ArchGraph) -> dict[str, Any]:
    return {
        "nodes": [
            [
                node.name,
                node.op,
                node.inputs,
                [_packed_parameter(parameter) for parameter in node.params],
                dict(node.attrs),
            ]
            for node in graph.nodes
        ],
        "outputs": graph.outputs,
        "input_shape": graph.input_shape,
        "name": graph.name,
    }


def _packed_parameter(parameter: Parameter) -> list[Any]:
    return [parameter.name, parameter.shape, parameter.role, parameter.axes, parameter.trainable]


def _unpacked(document: dict[str, Any], limits: GraphLimits) -> ArchGraph:
    nodes = [
        Node(
            name,
            op,
            tuple(inputs),
            tuple(
                Parameter(p, tuple(shape), role, None if axes is None else tuple(axes), trainable)
                for p, shape, role, axes, trainable in params
            ),
            {key: _attribute(value) for key, value in attrs.items()},
        )
        for name, op, inputs, params, attrs in document["nodes"]
    ]
    return build_graph(
        nodes,
        outputs=document["outputs"],
        input_shape=tuple(document["input_shape"]),
        name=document["name"],
        limits=limits,
    )


def _attribute(value: Any) -> AttrValue:
    return tuple(value) if isinstance(value, list) else value


def _restrict(seconds: float) -> None:
    """Let the operating system end this process when it takes too much; not every system can."""
    try:
        import resource
    except ImportError:
        return
    whole = int(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (whole, whole))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def main() -> None:
    """The child: an ONNX file on standard input, a graph or a problem on standard output."""
    settings = json.loads(sys.argv[1])
    _restrict(settings["seconds"])
    answer: dict[str, Any]
    try:
        answer = {
            "graph": _packed(read_onnx(sys.stdin.buffer.read(), limits=GraphLimits(**settings["limits"])))
        }
    except ServiceError as error:
        answer = {"problem": error.problem()}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
