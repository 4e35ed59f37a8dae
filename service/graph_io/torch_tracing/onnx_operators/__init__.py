"""What each operator of ONNX computes, in torch: for recording the program of a file. Importing this package
fills the table.

Shapes and indices that a file computes are tensors on the CPU with values; features and parameters have none
while they are recorded.
Sources: the operators' pages of the ONNX specification, opsets 7 to 23.
"""

from service.graph_io.torch_tracing.onnx_operators import (
    constants,
    elementwise,
    layout,
    norms,
    pooling,
    products,
    reductions,
    resizing,
)

__all__ = [
    "constants",
    "elementwise",
    "layout",
    "norms",
    "pooling",
    "products",
    "reductions",
    "resizing",
]
