"""JSON from outside: what is not JSON, or too much of it, is refused with the place."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidInput, LimitExceeded, ServiceError
from service.graph_io.json_text import parse_json
from service.graph_io.limits import GraphLimits


def test_json_is_parsed() -> None:
    assert parse_json('\ufeff{"a": [1, 2.5, "ü", null, true]}'.encode()) == {"a": [1, 2.5, "ü", None, True]}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"{", "line 1, column 2"),
        (b'{"a": 1,\n "b" 2}', "line 2, column 6"),
        (b'{"a": NaN}', "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b'{"a": 1, "a": 2}', "'a' twice"),
        (b"9" * 5000, "digits"),
        (rb'["\ud800"]', "half a character"),
        (rb'{"\ud800": 1}', "half a character"),
    ],
)
def test_what_is_not_json_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_json(data)


def test_a_broken_line_is_in_the_problem() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_json(b"[1,\n2,\n,]")
    assert (caught.value.extra["line"], caught.value.extra["column"]) == (3, 1)


@pytest.mark.parametrize("depth", [33, 900, 5_000, 1_000_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused(depth: int, opening: str, closing: str) -> None:
    with pytest.raises(LimitExceeded, match="nested deeper than 32"):
        parse_json(opening * depth + "1" + closing * depth)


def test_nesting_up_to_the_limit_is_read() -> None:
    assert parse_json("[" * 32 + "]" * 32)
    # Brackets in text are no nesting.
    assert parse_json('["' + "[" * 100 + '"]')


def test_bytes_and_values_are_limited() -> None:
    with pytest.raises(LimitExceeded, match="bytes"):
        parse_json(b"[1, 2, 3]", limits=GraphLimits(max_bytes=8))
    with pytest.raises(LimitExceeded, match="values"):
        parse_json(b"[1, 2, 3]", max_values=3)


def test_millions_of_small_values_cost_no_memory() -> None:
    data = b"[" + b"[]," * 5_000_000 + b"[]]"
    tracemalloc.start()
    with pytest.raises(LimitExceeded):
        parse_json(data)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2 * len(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:0123.eE-\\utrfalsn ', max_size=40).map(str.encode))
def test_noise_never_does_worse_than_a_clear_error(data: bytes) -> None:
    try:
        parse_json(data)
    except ServiceError as error:
        assert error.status in (400, 413)
