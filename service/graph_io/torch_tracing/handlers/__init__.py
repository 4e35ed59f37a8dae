"""What each function of torch is. Importing this package registers the handlers with the recorder.

A handler gets the recorder, the function, and the call's own arguments. It writes a step and returns a
tensor of the right shape. Where every tensor of the call is a fixed number it lets torch compute:
networks look at such values.
"""

from service.graph_io.torch_tracing.handlers import (
    arithmetic,
    attention,
    core_operators,
    elementwise,
    layers,
    multi_head,
    pooling,
    recurrent,
    reshaping,
)

__all__ = [
    "arithmetic",
    "attention",
    "core_operators",
    "elementwise",
    "layers",
    "multi_head",
    "pooling",
    "recurrent",
    "reshaping",
]
