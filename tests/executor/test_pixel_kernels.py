"""Strided convolutions with a kernel of one pixel: torch alone damages memory in their gradients."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from service.executor.networks import Network
from service.executor.pixel_kernels import pixels_read
from service.graph_io.torch_tracer import trace

ROOT = Path(__file__).resolve().parents[2]


class Strided(nn.Module):
    """A strided convolution, run by its nodes, or by its program: no node describes a running sum."""

    def __init__(self, channels: int, stride: int, groups: int, by_program: bool) -> None:
        super().__init__()
        self.by_program = by_program
        self.conv = nn.Conv2d(channels, 8, 1, stride, groups=groups)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).square().mean((2, 3))
        return self.head(torch.cumsum(x, 1) if self.by_program else x)


@pytest.mark.parametrize("by_program", [False, True])
@pytest.mark.parametrize(("channels", "stride", "groups", "side"), [(4, 2, 1, 8), (3, 3, 1, 9), (4, 2, 2, 7)])
def test_gradients_are_exact(channels: int, stride: int, groups: int, side: int, by_program: bool) -> None:
    torch.manual_seed(0)
    module = Strided(channels, stride, groups, by_program).double()
    network = Network(trace(module, input_shape=(channels, side, side), runnable=True))
    images = torch.randn(6, channels, side, side, dtype=torch.float64)
    params = {name: value.detach().clone().requires_grad_() for name, value in module.named_parameters()}
    module(images).square().sum().backward()
    network(images, params).square().sum().backward()
    for name, value in module.named_parameters():
        torch.testing.assert_close(params[name].grad, value.grad)


def test_what_has_no_fault_is_left_alone() -> None:
    x = torch.randn(2, 4, 8, 8)
    for kernel, stride, padding, image in (
        ((3, 3), (2, 2), (0, 0), x),
        ((1, 1), (1, 1), (0, 0), x),
        ((1, 1), (2, 2), (1, 0), x),
        ((1, 1), (2, 2), (0, 0), torch.randn(2, 16, 8, 8)),
    ):
        read, step = pixels_read(image, kernel, stride, padding)
        assert read is image and step is stride
    read, step = pixels_read(x, (1, 1), (2,), (0,))
    weight = torch.randn(5, 4, 1, 1)
    assert torch.equal(read, x[:, :, ::2, ::2]) and list(step) == [1, 1]
    torch.testing.assert_close(F.conv2d(read, weight), F.conv2d(x, weight, stride=2))


_GRADIENTS = """
import torch
from tests.executor.test_pixel_kernels import Strided
from service.executor.networks import Network
from service.graph_io.torch_tracer import trace
torch.set_num_threads(1)
for by_program in (False, True):
    module = Strided(4, 2, 1, by_program)
    network = Network(trace(module, input_shape=(4, 8, 8), runnable=True))
    params = dict(module.named_parameters())
    for _ in range(20):
        images = torch.randn(16, 4, 8, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
        torch.autograd.grad(network(images, params).square().sum(), (images, *params.values()))
        others = [torch.randn(size) for size in (7, 33, 129, 513, 2049)]
print("alive")
"""


def test_no_memory_is_damaged() -> None:
    """In a process of its own, since a damaged one dies; on Linux, glibc's checks see the damage at once."""
    checks = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3"} if sys.platform == "linux" else {}
    done = subprocess.run(
        [sys.executable, "-c", _GRADIENTS], cwd=ROOT, env={**os.environ, **checks, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == "alive\n", done.stderr
