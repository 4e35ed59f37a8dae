"""Results as notebooks show them: plain HTML tables, in the notebook's own colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

# More rows than that are counted, not shown: `to_pandas()` has them all.
MOST_ROWS = 30


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[object]], *, count: int) -> str:
    """rows: the first of them will do. count: how many there are in all. None is an empty cell, a float
    has four significant digits.
    """
    shown = [row for row, _ in zip(rows, range(MOST_ROWS), strict=False)]
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in shown)
    left = count - len(shown)
    rest = f"<p>and {left:,} more: <code>to_pandas()</code> has all</p>" if left > 0 else ""
    return (
        f"<div><p>{escape(caption)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"{rest}</div>"
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, int):
        return f"{value:,}"
    return escape(f"{value:.4g}" if isinstance(value, float) else str(value))
