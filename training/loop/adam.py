"""AdamW without torch's compiler. Every `torch.optim.Optimizer` imports the compiler when it is made, which
takes almost as long as importing torch itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adamw import adamw

ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters that learn alike. rate_share: their learning rate, as a share of the rate of a step."""

    parameters: Sequence[Tensor]
    weight_decay: float
    rate_share: float = 1.0


class AdamW:
    """Adam with weight decay apart from the gradient (Loshchilov and Hutter 2019), in the arithmetic of
    `torch.optim.AdamW(fused=True)`.

    state: of each parameter that had a gradient, tensors by the names in ADAM_STATE.
    """

    def __init__(
        self, groups: Sequence[ParameterGroup], *,
        betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
    ) -> None:  # fmt: skip
        self._groups, self._betas, self._eps = groups, betas, eps
        self.state: dict[Tensor, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget the gradients of the last step."""
        for group in self._groups:
            for parameter in group.parameters:
                parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Change every parameter that has a gradient, at this learning rate or the group's share of it."""
        beta1, beta2 = self._betas
        for group in self._groups:
            with_gradient = [(p, p.grad) for p in group.parameters if p.grad is not None]
            states = [self.state_of(parameter) for parameter, _ in with_gradient]
            steps, averages, squares = ([state[key] for state in states] for key in ADAM_STATE)
            adamw(
                [parameter for parameter, _ in with_gradient],
                [_lying_as(parameter, gradient) for parameter, gradient in with_gradient],
                averages, squares, [], steps,
                fused=True, amsgrad=False, maximize=False,
                lr=rate * group.rate_share, weight_decay=group.weight_decay,
                beta1=beta1, beta2=beta2, eps=self._eps,
            )  # fmt: skip

    def state_of(self, parameter: Tensor) -> dict[str, Tensor]:
        """Zeros for one that had no gradient yet."""
        if parameter not in self.state:
            zeros = (torch.zeros_like(parameter, requires_grad=False) for _ in range(2))
            step = torch.zeros((), device=parameter.device)
            self.state[parameter] = dict(zip(ADAM_STATE, (step, *zeros), strict=True))
        return self.state[parameter]

    def named_state(self, named: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
        """What Adam knows of these parameters, as `exp_avg.conv.weight`; nothing of those that had no
        gradient yet.
        """
        return {
            f"{key}.{name}": value
            for name, parameter in named
            for key, value in self.state.get(parameter, {}).items()
        }

    def set_named_state(self, named: Iterable[tuple[str, Tensor]], tensors: Mapping[str, Tensor]) -> None:
        """Put back what `named_state` gave. A parameter of which it has nothing keeps its state."""
        for name, parameter in named:
            if all(f"{key}.{name}" in tensors for key in ADAM_STATE):
                self.state[parameter] = {
                    key: tensors[f"{key}.{name}"].to(parameter.device) for key in ADAM_STATE
                }


def _lying_as(parameter: Tensor, gradient: Tensor) -> Tensor:
    """The gradient in the order of the parameter: the fused step goes through memory, and gradients of
    convolutions may have their channels last.
    """
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)
