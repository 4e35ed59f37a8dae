"""Number formats as callers have them: a name, or torch's and numpy's own objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from service.contract.predict import Dtype

if TYPE_CHECKING:
    import numpy as np
    import torch

NumberFormat: TypeAlias = "Dtype | torch.dtype | np.dtype[Any] | type[np.generic]"


def name_of(number_format: NumberFormat) -> str:
    """ "float16" for "float16", torch.float16, np.float16 and np.dtype("float16"). Not checked."""
    if isinstance(number_format, type):
        return number_format.__name__
    return str(number_format).removeprefix("torch.")
