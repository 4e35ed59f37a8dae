"""The Prefer header."""

from __future__ import annotations

import pytest

from service.api.kit.prefer import parse_prefer


@pytest.mark.parametrize(
    ("header", "seconds", "applied"),
    [
        (None, 20, None),
        ("", 20, None),
        ("wait=5", 5, "wait=5"),
        ("wait=0", 0, "wait=0"),
        ('Wait = "7"', 7, "wait=7"),
        ("wait=999", 60, "wait=60"),
        ("wait=-1", 20, None),
        ("wait=soon", 20, None),
        ("respond-async", 0, "respond-async"),
        ("respond-async, wait=10", 0, "respond-async"),
        ("wait=3, wait=9", 3, "wait=3"),
        ("return=minimal; foo, wait=4; x=y", 4, "wait=4"),
    ],
)
def test_what_a_header_means(header: str | None, seconds: float, applied: str | None) -> None:
    preference = parse_prefer(header, default_wait_seconds=20, max_wait_seconds=60)
    assert (preference.wait_seconds, preference.applied) == (seconds, applied)
    assert ("Preference-Applied" in preference.headers) == (applied is not None)
