"""Examples and tables in docstrings are what they look like: a re-wrap of the text may not break them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("service", "training", "weightcast", "benchmarks")
FILES = [path for part in PARTS for path in (ROOT / part).rglob("*.py")]
# A line that ends this early, in the middle of a sentence, was cut by a wrap of another width.
_SHORT = 45


@cache
def docstrings() -> list[tuple[str, str]]:
    """(place, text) of each."""
    return list(read_docstrings())


def read_docstrings() -> Iterator[tuple[str, str]]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield f"{path.relative_to(ROOT)}:{getattr(node, 'name', '')}", text


def blocks(text: str) -> Iterator[str]:
    """Fenced blocks, and indented ones that stand between empty lines."""
    yield from re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for paragraph in re.split(r"\n\s*\n", text)[1:]:
        lines = paragraph.split("\n")
        if all(line.startswith("    ") for line in lines):
            yield "\n".join(line[4:] for line in lines)


@cache
def examples() -> list[tuple[str, str]]:
    """(place, block). Read when the first test asks: every process collects all tests."""
    return [(place, block) for place, text in docstrings() for block in blocks(text)]


def json_examples() -> list[tuple[str, str]]:
    return [(place, block) for place, block in examples() if re.match(r'\{\s*"', block)]


def python_examples() -> list[tuple[str, str]]:
    start = r"(import|from|with|for|async with|@)\s*\w|\w+ = \w+[(.]"
    return [(place, block) for place, block in examples() if re.match(start, block)]


def documents(block: str) -> Iterator[object]:
    """The JSON documents of a block; what each is may stand beside it, apart. `...` is anything."""
    decoder = json.JSONDecoder()
    rest = re.sub(r",\s*\.\.\.", "", block.replace("{...}", "{}")).strip()
    while rest.startswith(("{", '"')):
        document, end = decoder.raw_decode(rest)
        yield document
        beside, _, rest = rest[end:].partition("\n")
        assert not beside or beside.startswith("  "), f"{beside!r} is no JSON, and no remark beside it"
    assert not rest, f"{rest!r} is no JSON"


def test_documents_are_json() -> None:
    assert len(json_examples()) >= 8
    for place, block in json_examples():
        assert list(documents(block)), place


def test_code_is_python() -> None:
    assert len(python_examples()) >= 4
    for place, block in python_examples():
        # `await` stands at the top of examples of the asynchronous client.
        code = "async def example():\n" + "\n".join(f"    {line}" for line in block.split("\n"))
        ast.parse(code, filename=place)


def test_tables_have_as_many_columns_in_every_row() -> None:
    for place, text in docstrings():
        for table in re.findall(r"(?:^ *\|.*\|$\n?){2,}", text, re.MULTILINE):
            assert len({row.count("|") for row in table.strip().split("\n")}) == 1, place


def test_no_line_is_cut_in_a_sentence() -> None:
    broken = []
    for place, text in docstrings():
        lines = text.split("\n")
        for line, following in pairwise(lines):
            same = len(line) - len(line.lstrip()) == len(following) - len(following.lstrip())
            prose = re.match(r" *[a-z]+ ", following) and not re.match(r"[^.]{1,60}: ", following.strip())
            columns = re.search(r"\S {2,}\S", line + following)
            if line.strip() and same and prose and not columns and len(line.strip()) < _SHORT:
                broken.append(f"{place}: {line.strip()!r}")
    assert not broken, "\n".join(broken)
