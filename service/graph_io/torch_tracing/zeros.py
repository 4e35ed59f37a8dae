"""Tracing with zeros, for networks whose control flow looks at values where any will do.

A detector asks which boxes to keep. It runs on zeros: whatever a handler knows has zeros for its result, and
only the rest is computed, so this costs little, and the graph is the same for all weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from service.errors import LimitExceeded
from service.graph_io.torch_tracing.recorder import Recorder

# A loop that waits for a number other than 0 does not end.
_MAX_CALLS = 20_000


class ZeroRecorder(Recorder):
    """Raises LimitExceeded if the network seems not to end."""

    computes = True

    def __init__(self, batch: int = 1) -> None:
        super().__init__(batch)
        self._calls = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self._calls += 1
        if self._calls > _MAX_CALLS:
            raise LimitExceeded(
                f"The network has not ended after {_MAX_CALLS:,} calls.", limit=_MAX_CALLS, value=self._calls
            )
        return super().__torch_function__(func, types, args, kwargs)

    def empty(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        return torch.zeros(shape, dtype=dtype)

    def constant(self, tensor: Tensor) -> Tensor:
        """A copy of a buffer."""
        if tensor.is_meta:
            return self.empty(tensor.shape, tensor.dtype)
        return tensor.detach().to("cpu", copy=True)

    def likeness(self, tensor: Tensor) -> Tensor:
        return self.empty(tensor.shape, tensor.dtype)

    def has_no_values(self, *values: Any) -> bool:
        return False
