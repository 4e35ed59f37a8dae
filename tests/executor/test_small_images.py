"""bfloat16 gradients of images smaller than a stride: torch alone leaves memory unwritten there."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from service.executor.networks import Network
from service.graph_io.torch_tracer import trace

# (channels, groups, kernel, stride, height and width of the image)
CASES = [
    (64, 1, 3, 2, (1, 1)),
    (64, 4, 5, 2, (1, 1)),
    (256, 1, 5, 1, (1, 1)),
    (64, 64, 5, 2, (1, 1)),
    (24, 1, 3, 3, (2, 1)),
    (128, 8, 3, 3, (2, 2)),
    (24, 1, 5, 4, (4, 2)),
]


class Squared(nn.Module):
    """A convolution, run by its nodes, or by its program: no node describes a running sum."""

    def __init__(self, channels: int, groups: int, kernel: int, stride: int, by_program: bool) -> None:
        super().__init__()
        self.by_program = by_program
        self.conv = nn.Conv2d(
            channels, channels, kernel, stride, kernel // 2, groups=groups, bias=groups != channels
        )
        self.head = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).mean((2, 3))
        return self.head(torch.cumsum(x, 1) if self.by_program else x)


@pytest.mark.parametrize("by_program", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_are_those_of_float32(
    case: tuple[int, int, int, int, tuple[int, int]], by_program: bool
) -> None:
    channels, groups, kernel, stride, axes = case
    torch.manual_seed(0)
    module = Squared(channels, groups, kernel, stride, by_program)
    network = Network(trace(module, input_shape=(channels, *axes), runnable=True))
    images = torch.randn(16, channels, *axes)
    labels = torch.arange(16) % 10

    def gradients(dtype: torch.dtype) -> dict[str, Tensor]:
        params = {name: value.detach().clone().requires_grad_() for name, value in module.named_parameters()}
        logits = network(images.to(dtype), params)
        loss = F.cross_entropy(logits.float(), labels)
        return dict(zip(params, torch.autograd.grad(loss, list(params.values())), strict=True))

    exact = gradients(torch.float32)
    for _ in range(4):
        # Memory that was used lately is what an unwritten gradient would hold.
        for size in {value.numel() * many for value in exact.values() for many in (1, 2)}:
            torch.full((size,), float("nan"))
        for name, gradient in gradients(torch.bfloat16).items():
            largest = exact[name].abs().max()
            torch.testing.assert_close(gradient, exact[name], rtol=0, atol=float(0.05 * largest + 1e-4))
