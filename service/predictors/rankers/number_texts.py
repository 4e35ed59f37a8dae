"""Numbers as tables write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

# What tables have where a training has no value.
FAILED_WORDS = frozenset(
    (
        "", "-", "nan", "na", "n/a", "none", "null", "inf", "+inf", "-inf", "infinity", "-infinity", "failed",
        "diverged", "oom", "error", "crashed", "timeout", "#n/a", "#num!", "#div/0!", "#value!", "#ref!",
    )
)  # fmt: skip
_SPREAD = re.compile(r"\s*(±|\+/-|\+-|\\pm).*|\s*\(.*\)")
_UNIT = re.compile(r"\s*(%|ms|s|sec|seconds)", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_OTHER_THOUSANDS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.IGNORECASE)


def number_of(text: str) -> float | int | None:
    """The number that a text is: with a percent sign or a unit of time, which are dropped, or with its spread
    (`93.1 ± 0.2`). None for anything else.
    """
    text = _bare(text)
    if _WHOLE.fullmatch(text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return None


def numbers_of(texts: Sequence[str], *, comma_is_decimal: bool) -> list[float | int | None]:
    """The numbers of a column, whose commas all mean the same: thousands (`1,234,567`), or the decimal point
    (`93,1`).

    comma_is_decimal: what `1,234` is where no other text of the column tells.
    """
    bare = [_bare(text) for text in texts]
    commas = [text for text in bare if "," in text]
    if not commas:
        return [number_of(text) for text in bare]
    if all(map(_THOUSANDS.fullmatch, commas)) and not comma_is_decimal:
        return [number_of(text.replace(",", "")) for text in bare]
    decimal = [
        text.replace(".", "").replace(",", ".")
        if _OTHER_THOUSANDS.fullmatch(text)
        else text.replace(",", ".")
        if _DECIMAL_COMMA.fullmatch(text)
        else text
        for text in bare
    ]
    return [number_of(text) for text in decimal]


def _bare(text: str) -> str:
    text = text.strip()
    if (match := _SPREAD.search(text)) and match.end() == len(text) and match.start():
        text = text[: match.start()]
    if (match := _UNIT.search(text)) and match.end() == len(text) and match.start():
        text = text[: match.start()]
    return text.strip()
