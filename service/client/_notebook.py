"""A progress bar in notebooks, for calls that wait and were given no `progress` of their own.

Plain HTML, updated in place: no widgets and no other package. IPython is not imported: where there is a
notebook, it is there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from html import escape
from typing import Any

from service.client._results import Progress

# Shorter calls show nothing.
_PATIENCE_SECONDS = 0.5
_PAUSE_SECONDS = 0.2


def notebook_progress() -> Callable[[Progress], None] | None:
    """A bar of its own for one call, or None outside of notebooks."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or getattr(shell, "kernel", None) is None:
        return None
    return _Bar(ipython.display)  # type: ignore[union-attr]


class _Bar:
    def __init__(self, display: Any) -> None:
        """display: the module of IPython."""
        self._display = display
        self._started = self._shown = time.monotonic()
        self._handle: Any = None

    def __call__(self, step: Progress) -> None:
        now = time.monotonic()
        is_done = step.total is not None and step.done >= step.total
        if now - self._started < _PATIENCE_SECONDS or (now - self._shown < _PAUSE_SECONDS and not is_done):
            return
        self._shown = now
        content = self._display.HTML(bar(step, now - self._started))
        if self._handle is None:
            self._handle = self._display.display(content, display_id=True)
        else:
            self._handle.update(content)


def bar(step: Progress, seconds: float) -> str:
    """HTML. seconds: since the call began."""
    about = f"{escape(step.message)} " if step.message else ""
    if not step.total:
        return f"<div>{about}<progress></progress> {seconds:.0f} s</div>"
    share = min(1.0, step.done / step.total)
    return f'<div>{about}<progress value="{share:.4f}" max="1"></progress> {share:.0%}, {seconds:.0f} s</div>'
