"""Errors that nobody expected while a model was read: they are the model's, and name its node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from onnx import NodeProto, TensorProto

from service.errors import InvalidArchitecture
from service.graph_io.lifting.linked import LinkedNode
from service.graph_io.onnx.op import Op

# What Python raises when data are not what code takes them for.
_MISTAKES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, StopIteration, TypeError,
    ValueError,
)  # fmt: skip


@contextmanager
def faults_of_the_model() -> Iterator[None]:
    """Raises InvalidArchitecture, naming the node that was being read, in place of Python's own errors.

    Readers refuse what they know to be wrong. Whatever else is wrong with a stranger's file must not become a
    failure of the service either.
    """
    try:
        yield
    except _MISTAKES as error:
        node = _node_in_hand(error.__traceback__)
        raise InvalidArchitecture(
            f"The ONNX graph cannot be read{f' at node {node!r}' if node else ''}: it is not well formed.",
            node=node,
            hint="Check the model with onnx.checker, and export it again.",
        ) from error


def _node_in_hand(trace: TracebackType | None) -> str:
    """The node, or tensor, that the innermost function was about, by its arguments and variables."""
    name = ""
    while trace is not None:
        for value in trace.tb_frame.f_locals.values():
            if isinstance(value, Op):
                name = value.where
            elif isinstance(value, NodeProto):
                name = str(value.name or next(iter(value.output), value.op_type))
            elif isinstance(value, LinkedNode | TensorProto):
                name = value.name or name
        trace = trace.tb_next
    return name
