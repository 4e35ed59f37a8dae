"""One look for all charts, whatever style a notebook has: dark ink on white, quiet axes, no frame."""

from __future__ import annotations

from contextlib import AbstractContextManager

from matplotlib import style

INK, QUIET, LINE = "#1c2430", "#5d6877", "#d9dee5"
BLUE, ORANGE, GREEN, GREY = "#1f5fbf", "#c45a00", "#1a775d", "#848e9c"

_STYLE: dict[str, object] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.facecolor": "white",
    "font.size": 9,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "savefig.facecolor": "white",
    # The same drawing gives the same file.
    "svg.hashsalt": "weightcast",
    # Text stays text: a third of the size, and it can be searched.
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": QUIET,
    "xtick.labelsize": 8.5,
    "ytick.color": QUIET,
    "ytick.labelsize": 8.5,
}


def house_style() -> AbstractContextManager[None]:
    """Matplotlib's defaults and ours, in a `with` statement."""
    context: AbstractContextManager[None] = style.context(["default", _STYLE])
    return context
