"""What became of weights that were written into a module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.client._errors import WeightcastError


class WeightsDoNotFit(WeightcastError, ValueError):
    """The module and the weights are not of the same network, and nothing was written.

    `report` lists every difference.
    """

    def __init__(self, report: Applied) -> None:
        super().__init__(f"the weights do not fit the module: {report}")
        self.report = report


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply_to` did.

    applied: parameters of the module that were overwritten.
    missing: parameters of the module that the weights do not have; they keep their values.
    unexpected: weights that the module has no parameter for.
    mismatched: name -> (shape in the module, shape in the weights); they keep their values.
    frozen: parameters of the module with requires_grad=False; they keep their values, as they should.
    """

    applied: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] | None = None
    frozen: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        parts = [f"{len(self.applied)} fit"]
        if self.frozen:
            parts.append(f"{len(self.frozen)} frozen ({_some(self.frozen)})")
        if self.missing:
            parts.append(f"{len(self.missing)} missing ({_some(self.missing)})")
        if self.unexpected:
            parts.append(f"{len(self.unexpected)} unexpected ({_some(self.unexpected)})")
        for name, (module_shape, weights_shape) in list((self.mismatched or {}).items())[:3]:
            parts.append(
                f"{name} has shape {list(module_shape)} in the module, {list(weights_shape)} in the weights"
            )
        return ", ".join(parts)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
