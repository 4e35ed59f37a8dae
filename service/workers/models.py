"""Models that this process keeps loaded. The longest unused one goes when there are too many."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from service.kit.cores import usable_cores
from service.kit.lru import LRU
from service.settings import Settings

if TYPE_CHECKING:
    from service.ghn.registry import LoadedModel

log = structlog.get_logger("weightcast.worker")


class Models:
    """Loaded GHNs by name. Thread-safe: the warm-up and the first task may ask for the same one.

    device: where they decode weights, as in the settings.
    """

    def __init__(self, capacity: int, device: str = "cpu") -> None:
        self.device = device
        self._loaded: LRU[str, LoadedModel] = LRU(capacity)
        self._lock = threading.Lock()

    def get(self, name: str, digest: str | None = None) -> LoadedModel:
        """The model `name`; loaded again when `digest` says that it was trained anew since.

        Errors: UnknownModel; Unavailable without the device.
        """
        # torch is imported here and not above: the parent of the worker processes must never hold it.
        from service.ghn.registry import load_model

        with self._lock:
            model = self._loaded.get(name)
            if model is None or (digest is not None and model.card.digest != digest):
                model = load_model(name, self.device)
                log.info("model.loaded", model=name, digest=model.card.digest, device=str(model.ghn.device))
                self._loaded.put(name, model)
            return model


def limit_threads(settings: Settings) -> None:
    """Share the cores evenly among the workers of this machine, unless told otherwise."""
    import torch

    torch.set_num_threads(settings.threads or max(1, usable_cores() // settings.predict_workers))
