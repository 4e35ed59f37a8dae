"""The figure that every chart is drawn on."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import ParamSpec

from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure

from service.chart_files import format_of
from service.kit.whole_file import write_whole
from service.plots.style import house_style

_DOTS_PER_INCH = 120

P = ParamSpec("P")


class Chart(Figure):
    """A figure of matplotlib, apart from `pyplot`: nothing global is touched, and no window opens.

    A cell of a notebook that ends in a chart shows it.
    """

    def __init__(self, width: float, height: float) -> None:
        """width, height: inches."""
        super().__init__(figsize=(width, height), dpi=_DOTS_PER_INCH, layout="constrained")

    def panels(self, columns: int = 1) -> list[Axes]:
        """Axes beside each other."""
        return [self.add_subplot(1, columns, number) for number in range(1, columns + 1)]

    def save(self, path: str | PathLike[str]) -> Path:
        """Write a .png or .svg file, all or nothing, and its folder if need be; the same chart gives the
        same bytes.

        Raises InvalidRequest for another ending.
        """
        target = Path(path)
        form = format_of(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, self._bytes(form))
        return target

    def draw(self, renderer: RendererBase) -> None:
        # Ticks are made when they are first drawn: in our style, not in that of the moment.
        with house_style():
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        """For notebooks."""
        return self._bytes("png")

    def _bytes(self, form: str) -> bytes:
        buffer = BytesIO()
        metadata: dict[str, None] = {"Date": None} if form == "svg" else {"Software": None}
        with house_style():
            self.savefig(buffer, format=form, metadata=metadata)
        return buffer.getvalue()


def in_house_style(draw: Callable[P, Chart]) -> Callable[P, Chart]:
    """A function that draws a chart, in our style."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Chart:
        with house_style():
            return draw(*args, **kwargs)

    return styled
