"""What the libraries below torch are told before anything is computed."""

from __future__ import annotations

import os
from collections.abc import Mapping

# Read once, by the libraries below torch: to be set before torch computes anything.
# Networks have ever new shapes. In a cache of the usual 1024 primitives, making and evicting them took a
# tenth of a step. A process that computes with one thread needs no pool of threads.
ENVIRONMENT: Mapping[str, str] = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "8192", "OMP_NUM_THREADS": "1"}


def prepare_environment() -> None:
    """Set what training needs, unless the user has said otherwise. To be called before torch is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
