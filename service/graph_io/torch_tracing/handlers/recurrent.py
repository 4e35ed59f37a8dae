"""LSTM, GRU and plain recurrent layers, and their single-step cells."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from service.graph_io.archgraph import AttrValue
from service.graph_io.torch_tracing.recorder import Recorder, function_name, handles, tensors_in


@handles("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
def _recurrent(recorder: Recorder, func: Any, *args: Any, **kwargs: Any) -> Any:
    """Two layouts: (input, state, weights, ...) and, for packed sequences, (data, batch sizes, state, weights, ...)."""
    kind = function_name(func)
    out = recorder.run(func, *args, **kwargs)
    tensors = list(tensors_in((args, kwargs)))
    steps = [recorder.step_of(tensor) for tensor in tensors]
    known = list(dict.fromkeys(step for step in steps if step is not None))
    weights = tuple(
        (f"weight_{index}", step) for index, step in enumerate(known) if not recorder.steps[step].live
    )
    sources = tuple(step for step in known if recorder.steps[step].live)
    if not known:
        return out
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
