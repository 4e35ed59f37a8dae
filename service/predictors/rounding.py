"""Numbers of answers as text: so many digits that what was computed beside them does not show.

What is computed for many in one matrix product differs in its last bits from what is computed for one: the
processor adds in another order. Double precision is exact to about 16 digits, far beyond what is told.
"""

from __future__ import annotations

DIGITS = 9


def significant(value: float, digits: int = DIGITS) -> float:
    """`value` with so many significant digits."""
    return float(f"{float(value):.{digits}g}")
