"""Files that changed behind our back: found by their digest while they are sent, deleted, computed again."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

import structlog

from service.store.artifacts import ArtifactStore

log = structlog.get_logger("weightcast.artifacts")

AGAIN_SECONDS = 60.0
"""A file that was whole so long ago or less is sent unchecked: hashing would hold popular files up."""
_REMEMBERED = 10_000


class Integrity:
    """Which files this process has found whole lately. Called from several threads; losing an entry costs one
    more check.
    """

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts
        self._whole: OrderedDict[str, float] = OrderedDict()

    def check_of(self, name: str) -> Callable[[bool], None] | None:
        """What to tell whether the file is whole; None where that was seen a moment ago."""
        if time.monotonic() - self._whole.get(name, -AGAIN_SECONDS) < AGAIN_SECONDS:
            return None
        return lambda is_whole: self._tell(name, is_whole)

    def _tell(self, name: str, is_whole: bool) -> None:
        """Blocking."""
        if not is_whole:
            log.error("artifact.damaged", name=name)
            self._whole.pop(name, None)
            # Who asks for these weights again has them computed again: a known answer needs its file.
            self._artifacts.delete(name)
            return
        self._whole[name] = time.monotonic()
        while len(self._whole) > _REMEMBERED:
            self._whole.popitem(last=False)
