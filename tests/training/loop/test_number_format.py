"""Activations are bfloat16 only where the device computes in it, unless an option says otherwise."""

from __future__ import annotations

import pytest
import torch

from service.contract.ghn import GHNTraining
from service.contract.smash import SmashTraining
from training.loop.number_format import activation_format, native_format


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"amx_bf16": True, "avx512_bf16": False}, torch.bfloat16),
        ({"amx_bf16": False, "avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": False, "avx512_bf16": False, "avx2": True}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_the_processor_decides(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert native_format() is activation_format(None) is expected


@pytest.mark.parametrize("fast", [True, False])
def test_the_gpu_decides(monkeypatch: pytest.MonkeyPatch, fast: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: fast)
    expected = torch.bfloat16 if fast else torch.float32
    assert activation_format(None, torch.device("cuda")) is expected


@pytest.mark.parametrize("fast", [True, False])
def test_an_option_decides(monkeypatch: pytest.MonkeyPatch, fast: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": fast}, raising=False)
    assert activation_format(True) is torch.bfloat16
    assert activation_format(False) is torch.float32


def test_by_default_no_training_names_a_format() -> None:
    assert GHNTraining(steps=1).bfloat16 is None
    assert SmashTraining(steps=1).bfloat16 is None
