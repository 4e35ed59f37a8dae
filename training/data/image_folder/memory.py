"""Whether the images of a folder fit into memory, said before the first of them is decoded."""

from __future__ import annotations

from math import prod

from service.errors import LimitExceeded
from training.loop.memory import free_memory_bytes

# Parts are cut out of one array, which is kept until all of them are.
_ARRAYS = 2
_GIB = 2**30


def check_memory(images: int, shape_CHW: tuple[int, int, int], place: str, *, copies: int = 1) -> None:
    """copies: processes that hold the images. Raises LimitExceeded where memory does not do."""
    free = free_memory_bytes()
    needed = _ARRAYS * copies * images * prod(shape_CHW)
    if free is None or needed <= free:
        return
    shape, by = " x ".join(map(str, shape_CHW)), "" if copies == 1 else f" in {copies} processes"
    raise LimitExceeded(
        f"{place}: {images:,} images of {shape}{by} need {needed / _GIB:.1f} GiB of memory, and "
        f"{free / _GIB:.1f} GiB are free.",
        field="/data",
        limit=free,
        value=needed,
        hint="Give a folder with fewer of them"
        + ("," if copies == 1 else ", fewer processes,")
        + f" or a network for smaller images: half the side takes a quarter, {needed / 4 / _GIB:.1f} GiB.",
    )
