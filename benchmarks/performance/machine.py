"""What one core of this machine can do: the floors below which no path can go."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.performance.clock import processor_seconds
from benchmarks.performance.tables import table

_LARGE = 16 * 2**20  # numbers of 4 bytes: far larger than any cache
_SIDE = 512
_CALLS = 10_000


@dataclass(frozen=True, slots=True)
class Machine:
    """fill, fresh, copy, hash: bytes a second; fresh: filling memory that the system has just handed out;
    copying counts what is written. multiply_add: a second, in products
    of large float32 matrices. array_call, tensor_call: seconds of one operation of numpy, of torch, on 32
    numbers.
    """

    fill: float
    fresh: float
    copy: float
    hash: float
    multiply_add: float
    array_call: float
    tensor_call: float


def measure(repeats: int) -> Machine:
    source, target = np.ones(_LARGE, np.float32), np.ones(_LARGE, np.float32)
    matrix = torch.ones(_SIDE, _SIDE)
    array, tensor = np.ones(32, np.float32), torch.ones(32)
    size = source.nbytes

    def array_calls() -> None:
        for _ in range(_CALLS):
            np.add(array, array, out=array)

    def tensor_calls() -> None:
        for _ in range(_CALLS):
            torch.add(tensor, tensor, out=tensor)

    with np.errstate(over="ignore"), torch.inference_mode():
        return Machine(
            fill=size / processor_seconds(lambda: target.fill(1), repeats),
            fresh=size / processor_seconds(lambda: np.empty(_LARGE, np.float32).fill(1), repeats),
            copy=size / processor_seconds(lambda: np.copyto(target, source), repeats),
            hash=size / processor_seconds(lambda: hashlib.sha256(source.data).digest(), 3),
            multiply_add=_SIDE**3 / processor_seconds(lambda: matrix @ matrix, 3 * repeats),
            array_call=processor_seconds(array_calls, repeats) / _CALLS,
            tensor_call=processor_seconds(tensor_calls, repeats) / _CALLS,
        )


def report(machine: Machine) -> str:
    rows = [
        ("filling memory", f"{machine.fill / 1e9:.1f} GB/s"),
        ("filling memory that was just allocated", f"{machine.fresh / 1e9:.1f} GB/s"),
        ("copying memory, bytes written", f"{machine.copy / 1e9:.1f} GB/s"),
        ("SHA-256", f"{machine.hash / 1e9:.1f} GB/s"),
        ("multiply-adds of large float32 matrices", f"{machine.multiply_add / 1e9:.0f} G/s"),
        ("one operation of numpy on 32 numbers", f"{1e6 * machine.array_call:.2f} µs"),
        ("one operation of torch on 32 numbers", f"{1e6 * machine.tensor_call:.2f} µs"),
    ]
    return table(("one core", "measured"), rows)
