"""Names are nouns for things: no participle names a variable, a function or a class, alone or as a
word of a longer name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("service", "training", "benchmarks")
PARTICIPLES = {"asked", "asking", "found", "told", "given", "said", "wanted"}


def bound_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno


@pytest.mark.parametrize("room", ROOMS)
def test_no_participle_is_a_name(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in files
        for name, line in bound_names(ast.parse(path.read_text(encoding="utf-8")))
        if PARTICIPLES & set(name.lower().split("_"))
    ]
    assert not wrong, "\n".join(wrong)
