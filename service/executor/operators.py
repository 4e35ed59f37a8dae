"""What each operator of an ArchGraph computes: a node becomes a function of its inputs and the network's
parameters.

Features are (N, C, H, W), in channels-last memory where that is faster; tokens are (N, L, C).
"""

from __future__ import annotations

from collections.abc import Callable

from service.executor import convolutions, functions, mixing, moving, norms, placed_parameters, pooling
from service.executor.node_attributes import Step, refusal
from service.graph_io.archgraph import Node

NORMALISED_BY_BATCH = frozenset({"batch_norm"})


def compile_node(node: Node) -> Step:
    """Raises UnsupportedOperator, naming the node and the reason, if it cannot be run."""
    compiler = _COMPILERS.get(node.op)
    if compiler is None:
        raise refusal(
            node, "there is no such operator here", f"Operators that run: {', '.join(sorted(_COMPILERS))}."
        )
    return compiler(node)


_COMPILERS: dict[str, Callable[[Node], Step]] = {
    "conv": convolutions.conv,
    "conv_transpose": convolutions.conv_transpose,
    "linear": convolutions.linear,
    "embedding": convolutions.embedding,
    "layer_norm": norms.layer_norm,
    "rms_norm": norms.rms_norm,
    "group_norm": norms.group_norm,
    "instance_norm": norms.instance_norm,
    **dict.fromkeys(
        ("bias", "position", "relative_position", "class_token", "layer_scale", "parameter"),
        placed_parameters.placed,
    ),
    "max_pool": pooling.pool,
    "avg_pool": pooling.pool,
    "global_avg_pool": pooling.global_pool,
    "global_max_pool": pooling.global_pool,
    "attention": mixing.attention,
    "add": mixing.add,
    "mul": mixing.mul,
    "matmul": mixing.matmul,
    "channel_gate": mixing.channel_gate,
    "concat": mixing.concat,
    "constant": mixing.constant,
    "activation": functions.activation,
    "softmax": functions.softmax,
    "unary": functions.unary,
    "merge": functions.merge,
    "flatten": moving.flatten,
    "permute": moving.permute,
    "reshape": moving.reshape,
    "slice": moving.slice_,
    "pad": moving.pad,
    "resize": moving.resize,
}
