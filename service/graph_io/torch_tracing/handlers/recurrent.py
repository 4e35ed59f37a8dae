"""LSTM, GRU and plain recurrent layers, and their single-step cells."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from service.graph_io.archgraph import AttrValue
from service.graph_io.torch_tracing.nested import tensors_in
from service.graph_io.torch_tracing.recorder import Recorder, function_name, handles

_GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


@handles("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
def _recurrent(recorder: Recorder, func: Any, *args: Any, **kwargs: Any) -> Any:
    """Two layouts: (input, state, weights, ...) and, for packed sequences, (data, batch sizes, state,
    weights, ...).
    """
    kind = function_name(func)
    packed = len(args) > 3 and isinstance(args[3], (list, tuple))
    # The sizes of the batch over time, which say how a packed sequence is laid out, are no input.
    tensors = list(tensors_in(((args[0], *args[2:]) if packed else args, kwargs)))
    known = list(dict.fromkeys(step for tensor in tensors if (step := recorder.step_of(tensor)) is not None))
    if not known:
        return func(*args, **kwargs)
    out = _without_steps(recorder, kind, packed, *args) if not recorder.computes and not kwargs else None
    if out is None:
        out = recorder.run(func, *args, **kwargs)
    weights = tuple(
        (f"weight_{index}", step) for index, step in enumerate(known) if not recorder.steps[step].live
    )
    sources = tuple(step for step in known if recorder.steps[step].live)
    attrs: dict[str, AttrValue] = {"kind": kind.removesuffix("_cell")}
    first: int | None = None
    for tensor in tensors_in(out):
        shape = tuple(tensor.shape)
        if first is None:
            first = recorder.add("recurrent", sources, shape=shape, weights=weights, attrs=attrs)
            recorder.bind(tensor, first)
        else:
            # All results of the call are one layer: the states are parts of it.
            recorder.bind(tensor, recorder.add("slice", (first,), shape=shape, attrs={"kind": "state"}))
    return out


def _without_steps(recorder: Recorder, kind: str, packed: bool, *args: Any) -> tuple[Tensor, ...] | None:
    """Results of the right shapes. The meta device would unroll the layer, one time step after the other.

    None for cells, which are cheap.
    """
    if kind not in _GATES or len(args) != 9 or not (packed or isinstance(args[2], (list, tuple))):
        return None
    if packed:
        data, _, state, weights, _, layers, _, _, bidirectional = args
    else:
        data, state, weights, _, layers, _, _, bidirectional, _ = args
    states = list(state) if isinstance(state, (list, tuple)) else [state]
    directions = 2 if bidirectional else 1
    width = states[0].shape[-1]
    if data.shape[-1] != weights[0].shape[1] or weights[0].shape[0] % _GATES[kind]:
        raise RuntimeError(
            f"a recurrent layer over {weights[0].shape[1]} features was given the shape {list(data.shape)}"
        )
    batch = states[0].shape[-2] if states[0].dim() == 3 else 1
    out = recorder.empty((*data.shape[:-1], directions * width), data.dtype)
    finals = [recorder.empty((layers * directions, batch, state.shape[-1]), data.dtype) for state in states]
    return (out, *finals)
