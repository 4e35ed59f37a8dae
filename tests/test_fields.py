"""`field` of an error is a JSON Pointer wherever it is raised."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import errors
from service.json_pointer import pointer

ROOT = Path(__file__).parent.parent
POINTER = re.compile(r"(/([^~/]|~[01])*)*")


def named_fields() -> Iterator[tuple[str, str]]:
    """The text before the first inserted value of every `field=` that an error is raised with, and where."""
    for file in [*ROOT.glob("service/**/*.py"), *ROOT.glob("training/**/*.py")]:
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            for keyword in call.keywords:
                if keyword.arg == "field":
                    for text in _starts(keyword.value):
                        yield f"{file.relative_to(ROOT)}:{call.lineno}", text


def _starts(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.IfExp):
        yield from _starts(value.body)
        yield from _starts(value.orelse)
    elif isinstance(value, ast.JoinedStr):
        yield from _starts(value.values[0])
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value


def test_every_named_field_is_a_pointer() -> None:
    fields = list(named_fields())
    assert len(fields) > 50
    assert [f"{place} {text}" for place, text in fields if not POINTER.fullmatch(text)] == []


@pytest.mark.parametrize(
    ("keys", "expected"), [((), ""), (("nodes", 3), "/nodes/3"), (("a/b", "~"), "/a~1b/~0"), (("",), "/")]
)
def test_pointers_are_those_of_rfc_6901(keys: tuple[object, ...], expected: str) -> None:
    assert pointer(*keys) == expected and POINTER.fullmatch(expected)


def test_a_part_is_placed_in_the_whole() -> None:
    error = errors.InvalidArchitecture("no", field="/cell")
    error.place_in("observations", 3, "architecture")
    error.place_in("config")
    assert error.problem()["field"] == "/config/observations/3/architecture/cell"
    without = errors.InvalidArchitecture("no")
    without.place_in("architecture")
    assert without.problem()["field"] == "/architecture"
