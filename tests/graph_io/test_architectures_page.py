"""Every example of docs/architectures.md is read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from service.graph_io.formats import FORMATS
from service.graph_io.read import read_document

PAGE = (Path(__file__).parents[2] / "docs" / "architectures.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["format"])
def test_the_example_is_read(example: dict[str, object]) -> None:
    assert read_document(example).num_parameters > 0


def test_every_format_is_on_the_page() -> None:
    assert all(f"`{name}`" in PAGE for name in FORMATS)
    assert {example["format"] for example in EXAMPLES} == set(FORMATS) - {"onnx", "torchvision"}
