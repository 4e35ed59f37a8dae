"""The number format of activations: bfloat16 where the device computes in it, float32 elsewhere."""

from __future__ import annotations

import torch

_CPU = torch.device("cpu")


def native_format(device: torch.device = _CPU) -> torch.dtype:
    """bfloat16 if the device has units for it, where it is several times faster; a processor without them
    emulates it, several times slower.
    """
    return torch.bfloat16 if _computes_in_bfloat16(device) else torch.float32


def native_format_name(device: torch.device = _CPU) -> str:
    """As results record it: bfloat16 or float32."""
    return str(native_format(device)).removeprefix("torch.")


def activation_format(bfloat16: bool | None, device: torch.device = _CPU) -> torch.dtype:
    """What an option `bfloat16` asks for; None: the native format of the device."""
    if bfloat16 is None:
        return native_format(device)
    return torch.bfloat16 if bfloat16 else torch.float32


def _computes_in_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Not every release of torch says what a processor computes in.
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
