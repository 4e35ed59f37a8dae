"""Where weights are decoded: a GPU or the CPU, by the name that the option WEIGHTCAST_DEVICE gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.errors import Unavailable
from service.kit.processes import Processes

if TYPE_CHECKING:
    import torch


def find_device(name: str) -> torch.device:
    """The device of a name: `auto` (the first GPU, or the CPU without one), `cpu`, `cuda` or `cuda:N`.

    Errors: Unavailable, saying which devices there are, for a GPU that is not there.
    """
    import torch

    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    index = int(name.partition(":")[2] or 0)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        raise Unavailable(
            f"There is no device {name!r} here: {_seen(count)}.",
            device=name,
            hint="Set WEIGHTCAST_DEVICE to one that is there, to cpu, or to auto.",
        )
    return torch.device("cuda", index)


def describe(device: torch.device) -> str:
    """Its name, for people: `cuda:0 (NVIDIA H100 80GB HBM3)`."""
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def check_device(name: str) -> None:
    """Errors: Unavailable, as `find_device`.

    Looks in a process of its own: one that forks must not have used CUDA, nor hold torch. `auto` and `cpu`
    are always there.
    """
    if not name.startswith("cuda"):
        return
    with Processes(1) as apart:
        apart.submit(find_device, name).result()


def is_out_of_memory(error: Exception) -> bool:
    """Whether an operation failed because a GPU has no memory left: torch's own allocator says so, CUDA, or
    cuBLAS.
    """
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("CUDA error: out of memory" in text or "ALLOC_FAILED" in text)


def free_memory() -> None:
    """Give back what torch's allocator keeps of a GPU for later."""
    import torch

    torch.cuda.empty_cache()


def _seen(count: int) -> str:
    import torch

    if torch.version.cuda is None:
        return "this build of torch is for CPUs only"
    return f"torch sees {', '.join(f'cuda:{index}' for index in range(count)) or 'no GPU'}"
