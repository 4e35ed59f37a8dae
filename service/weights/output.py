"""What the files of an answer may be, without what writes them, which the API does not need to start."""

from __future__ import annotations

from typing import Literal, get_args

from service.contract.predict import Dtype
from service.errors import InvalidRequest

Output = Literal["safetensors", "tiles", "npz"]
OUTPUTS: tuple[str, ...] = get_args(Output)
DTYPE_NAMES: tuple[str, ...] = get_args(Dtype)

# Raise when decoding, normalisation, defaults or expansion change: cached answers of older code are then not
# reused.
POSTPROCESS_VERSION = 1


def check_output(output: str, dtype: str) -> None:
    """Refuse an unknown output or number format, and combinations that no file format can hold.

    Raises InvalidRequest naming the field. `onnx` passes: it is an output, though not one that this module
    writes.
    """
    if output not in (*OUTPUTS, "onnx"):
        raise InvalidRequest(
            f"There is no output {output!r}.",
            field="/output",
            hint=f"Use one of: {', '.join(OUTPUTS)}, onnx.",
        )
    if dtype not in DTYPE_NAMES:
        raise InvalidRequest(
            f"There is no dtype {dtype!r}.", field="/dtype", hint=f"Use one of: {', '.join(DTYPE_NAMES)}."
        )
    if output == "npz" and dtype == "bfloat16":
        raise InvalidRequest(
            "NumPy files have no bfloat16.",
            field="/dtype",
            hint="Ask for float32 or float16, or for the safetensors output.",
        )
